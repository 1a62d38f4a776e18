import type { JWTPayload } from 'jose';
import { fieldName, HeaderBlock } from '../../../base/headers.ts';
import { collectBody } from '../../../plan/collect-body.ts';
import type { Exchange } from '../../../plan/exchange.ts';
import type { Feed } from '../../../plan/feed.ts';
import { Reply } from '../../../plan/reply.ts';
import { cookieField } from '../../../semantics/cookie.ts';
import type { Outage } from '../outage.ts';
import type { Cookies } from './oidc-cookie.ts';
import { type LogoutHint, type LogoutKind, logoutKey } from './oidc-feeds.ts';
import type { LogoutTokens } from './oidc-logout-token.ts';
import type { OidcOptions } from './oidc-options.ts';
import type { ProviderClient, ProviderMetadata } from './oidc-provider.ts';
import * as replies from './oidc-replies.ts';
import type { Session } from './oidc-session.ts';
import { isForeign, isOwnDoing, type Site } from './oidc-site.ts';

const MAX_BODY = 32 * 1024;
/** OpenID Connect Back-Channel Logout 1.0, 2.4 */
const EVENT = 'http://schemas.openid.net/event/backchannel-logout';

const contentType = fieldName('content-type');

export interface LogoutParts {
  readonly client: Pick<ProviderClient, 'fetch'>;
  readonly outage: Outage;
  readonly logouts: Feed<number>;
  /** What is known of the provider, or found now; null: nothing. */
  findProvider(): Promise<ProviderMetadata | null>;
}

/** The ends of a session: where the user asks for it, and where the provider does. */
export class LogoutFlow {
  readonly #options: OidcOptions;
  readonly #parts: LogoutParts;
  readonly #origins: ReadonlySet<string>;
  #tokens: Promise<LogoutTokens> | null = null;

  constructor(options: OidcOptions, parts: LogoutParts) {
    this.#options = options;
    this.#parts = parts;
    this.#origins = new Set(options.session.origins);
  }

  /**
   * For users (OpenID Connect RP-Initiated Logout 1.0). Only they may ask: a link or an image of another site is answered
   * with a question. `session`: theirs, if there is one that is good.
   */
  async logout(exchange: Exchange, session: Session | null, site: Site, cookies: Cookies): Promise<Reply> {
    const field = cookieField(exchange.headers) ?? '';
    if (exchange.method === 'POST') {
      if (isForeign(exchange, this.#origins)) return replies.refusal(replies.crossSite);
    } else if (session !== null && !isOwnDoing(exchange)) {
      return replies.page('Sign out', '<form method="post"><button>Sign out</button></form>');
    }
    const headers = new HeaderBlock();
    cookies.clearSession(headers, field);
    // Whoever has copied the cookie has it no longer either.
    if (session !== null) await this.#end('session', session.id, Date.now());
    return replies.redirect(await this.#afterLogout(session, site), headers, 303);
  }

  /** For the provider (OpenID Connect Back-Channel Logout 1.0, 2.5 to 2.8). */
  async backchannel(exchange: Exchange): Promise<Reply> {
    const body = await collectBody(exchange.body, MAX_BODY);
    if ('code' in body) return Reply.refuse(body);
    const isForm = exchange.headers.get(contentType)?.startsWith('application/x-www-form-urlencoded') === true;
    const token = isForm ? new URLSearchParams(body.toString('utf8')).get('logout_token') : null;
    if (token === null) return replies.refusal(replies.logoutInvalid);
    const metadata = await this.#parts.findProvider();
    if (metadata === null) return replies.unavailable();
    let claims: JWTPayload | null;
    try {
      this.#tokens ??= this.#loadTokens();
      claims = await (await this.#tokens).verify(token, metadata);
    } catch (error) {
      this.#parts.outage.failed(`the provider’s keys cannot be fetched: ${(error as Error).message}`);
      return replies.unavailable();
    }
    const target = claims === null ? null : targetOf(claims);
    if (claims === null || target === null) return replies.refusal(replies.logoutInvalid);
    // The end of its second, by a clock that may be behind ours; a token that comes again ends no session that began later.
    const at = Math.min(Date.now(), Number(claims.iat) * 1000 + 999 + this.#options.clockSkew);
    const isKnown = await this.#end(target.kind, target.id, at);
    return isKnown ? replies.done() : replies.unavailable();
  }

  /**
   * For a page of the provider that loads this in a frame (OpenID Connect Front-Channel Logout 1.0, 2). Whoever knows no
   * more than the address can end nothing: the session has to come along, and it has to be the one that is named.
   */
  async frontchannel(exchange: Exchange, session: Session | null, cookies: Cookies): Promise<Reply> {
    const query = new URLSearchParams(exchange.query);
    const isNamed = query.get('iss') === this.#options.issuer && query.get('sid') === session?.sid;
    if (session === null || !isNamed) return replies.done();
    const headers = new HeaderBlock();
    cookies.clearSession(headers, cookieField(exchange.headers) ?? '');
    await this.#end('session', session.id, Date.now());
    return replies.done(headers);
  }

  /** False: the main thread did not publish it. */
  async #end(kind: LogoutKind, id: string, at: number): Promise<boolean> {
    const { logouts } = this.#parts;
    const key = logoutKey(kind, id);
    await logouts.ask(JSON.stringify({ key, at } satisfies LogoutHint));
    return (logouts.get(key) ?? 0) >= at;
  }

  async #afterLogout(session: Session | null, { origin }: Site): Promise<string> {
    const { clientId, postLogoutRedirect } = this.#options;
    // With its provider out of reach, a session still ends here.
    const endpoint = session === null ? undefined : (await this.#parts.findProvider())?.end_session_endpoint;
    const url = endpoint === undefined ? null : URL.parse(endpoint);
    if (session === null || url === null) return postLogoutRedirect ?? '/';
    url.searchParams.set('client_id', clientId);
    if (session.idToken !== null) url.searchParams.set('id_token_hint', session.idToken);
    // Providers refuse what is not registered with them.
    if (postLogoutRedirect !== undefined) {
      url.searchParams.set('post_logout_redirect_uri', new URL(postLogoutRedirect, origin).href);
    }
    return url.href;
  }

  /** With the first token: few gateways see one, and the library takes 2.6 MB of each thread. */
  async #loadTokens(): Promise<LogoutTokens> {
    const { LogoutTokens } = await import('./oidc-logout-token.ts');
    return new LogoutTokens(this.#options, this.#parts.client);
  }
}

/** Whose sessions a logout token ends; null: it is none. */
function targetOf({ sub, sid, events, nonce }: JWTPayload): { kind: LogoutKind; id: string } | null {
  const isLogout = typeof events === 'object' && events !== null && Object.hasOwn(events, EVENT);
  // An ID token, which has a nonce, must not do (2.6).
  if (!isLogout || nonce !== undefined) return null;
  if (typeof sid === 'string' && sid !== '') return { kind: 'sid', id: sid };
  return typeof sub === 'string' && sub !== '' ? { kind: 'sub', id: sub } : null;
}
