import { createRemoteJWKSet, customFetch, type JWTPayload, errors as jose, jwtVerify } from 'jose';
import { fieldName, HeaderBlock } from '../../../base/headers.ts';
import { collectBody } from '../../../plan/collect-body.ts';
import type { Exchange } from '../../../plan/exchange.ts';
import type { Feed } from '../../../plan/feed.ts';
import { Reply } from '../../../plan/reply.ts';
import { cookieField } from '../../../semantics/cookie.ts';
import type { Outage } from '../outage.ts';
import type { Cookies } from './oidc-cookie.ts';
import { type LogoutHint, type LogoutKind, logoutKey } from './oidc-feeds.ts';
import type { OidcOptions } from './oidc-options.ts';
import type { ProviderClient, ProviderMetadata } from './oidc-provider.ts';
import * as replies from './oidc-replies.ts';
import type { Session } from './oidc-session.ts';
import { isForeign, isOwnDoing, type Site } from './oidc-site.ts';

const MAX_BODY = 32 * 1024;
/** OpenID Connect Back-Channel Logout 1.0, 2.4 */
const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
/** What it takes to hear of a logout; an older token can only be one that somebody kept. */
const MAX_AGE_SECONDS = 300;
/** Of public keys: with a shared secret, whoever can check a token could make one. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

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
  #keys: { readonly url: string; readonly find: ReturnType<typeof createRemoteJWKSet> } | null = null;

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
    let claims: JWTPayload;
    try {
      claims = await this.#verify(token, metadata);
    } catch (error) {
      if (error instanceof jose.JOSEError && !isOutage(error)) return replies.refusal(replies.logoutInvalid);
      this.#parts.outage.failed(`the provider’s keys cannot be fetched: ${(error as Error).message}`);
      return replies.unavailable();
    }
    const target = targetOf(claims);
    if (target === null) return replies.refusal(replies.logoutInvalid);
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

  async #verify(token: string, metadata: ProviderMetadata): Promise<JWTPayload> {
    const { clientId, clockSkew } = this.#options;
    const { payload, protectedHeader } = await jwtVerify(token, this.#keysAt(metadata.jwks_uri), {
      algorithms: ALGORITHMS,
      issuer: metadata.issuer,
      audience: clientId,
      clockTolerance: Math.ceil(clockSkew / 1000),
      maxTokenAge: MAX_AGE_SECONDS,
      requiredClaims: ['jti'],
    });
    // Recommended, not required: but what says that it is something else is something else.
    const type = protectedHeader.typ?.toLowerCase().replace(/^application\//, '') ?? 'jwt';
    if (type !== 'logout+jwt' && type !== 'jwt') throw new jose.JWTInvalid('not a logout token');
    return payload;
  }

  #keysAt(url: string): ReturnType<typeof createRemoteJWKSet> {
    if (this.#keys?.url !== url) {
      const { timeout } = this.#options;
      const find = createRemoteJWKSet(new URL(url), {
        timeoutDuration: timeout,
        [customFetch]: (target, { method, headers }) => this.#parts.client.fetch(target, { method, headers }),
      });
      this.#keys = { url, find };
    }
    return this.#keys.find;
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

/** Keys that could not be had say nothing about the token. */
function isOutage(error: jose.JOSEError): boolean {
  return error instanceof jose.JWKSTimeout || error instanceof jose.JWKSInvalid || error.code === 'ERR_JOSE_GENERIC';
}
