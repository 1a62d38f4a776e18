import { errors, type GatewayError } from '../../../base/gateway-error.ts';
import { fieldName, HeaderBlock } from '../../../base/headers.ts';
import type { ResponseHead } from '../../../plan/call.ts';
import type { Exchange, Identity } from '../../../plan/exchange.ts';
import type { Feed } from '../../../plan/feed.ts';
import type { Identifier, IdentifierEnv } from '../../../plan/identifier.ts';
import type { Maybe } from '../../../plan/policy.ts';
import { Reply } from '../../../plan/reply.ts';
import { cookieField } from '../../../semantics/cookie.ts';
import { Outage } from '../outage.ts';
import { Cookies } from './oidc-cookie.ts';
import { LOGOUTS_FEED, METADATA, PROVIDER_FEED, sealFor } from './oidc-feeds.ts';
import { cookieSeconds, LoginFlow } from './oidc-login.ts';
import { LogoutFlow } from './oidc-logout.ts';
import type { OidcOptions } from './oidc-options.ts';
import { ProviderClient, type ProviderMetadata } from './oidc-provider.ts';
import * as replies from './oidc-replies.ts';
import type { Session } from './oidc-session.ts';
import { type KnownSession, Sessions } from './oidc-sessions.ts';
import { changesSomething, isForeign, isNavigation, type Site, siteOf } from './oidc-site.ts';

const authorization = fieldName('authorization');
const cacheControl = fieldName('cache-control');
const wwwAuthenticate = fieldName('www-authenticate');

/** The paths of its own. */
export const endpointNames = ['login', 'callback', 'logout', 'backchannel', 'frontchannel'] as const;

/** Recognises browsers by their session, leads those without one to the provider, and the session to its end. */
export class OidcIdentifier implements Identifier {
  readonly entry: string;
  readonly place: string;
  readonly challenge: string;
  readonly #options: OidcOptions;
  readonly #site: Site | null;
  readonly #origins: ReadonlySet<string>;
  readonly #cookies: { readonly secure: Cookies; readonly plain: Cookies };
  readonly #sessions: Sessions;
  readonly #provider: Feed<ProviderMetadata>;
  readonly #login: LoginFlow;
  readonly #logout: LogoutFlow;
  readonly #outage: Outage;

  constructor(options: OidcOptions, env: IdentifierEnv) {
    const name = options.session.cookie ?? `sluice-${env.entry.replace(/[^A-Za-z0-9_-]/g, '-')}`;
    const url = options.url === undefined ? null : new URL(options.url);
    const outage = new Outage((message) => env.problem(message));
    const client = new ProviderClient(options);
    this.entry = env.entry;
    this.place = `cookie ${name}`;
    this.#options = options;
    this.#site = url === null ? null : { origin: url.origin, isSecure: url.protocol === 'https:' };
    this.#origins = new Set(options.session.origins);
    const cookie = { name, sameSite: options.session.sameSite };
    this.#cookies = { secure: new Cookies(cookie, true), plain: new Cookies(cookie, false) };
    // No scheme is registered for sessions of browsers, and a 401 has to name one (RFC 9110, 11.6.1).
    this.challenge = `Cookie realm="${env.entry.replace(/[^ !#-[\]-~]/g, '')}", form-action="${options.loginPath}"`;
    this.#sessions = new Sessions(options, env);
    this.#provider = env.feed(PROVIDER_FEED);
    this.#outage = outage;
    const findProvider = (): Promise<ProviderMetadata | null> => this.#findProvider();
    this.#login = new LoginFlow(options, {
      client,
      outage,
      findProvider,
      seal: sealFor('login', env.entry, options),
      sealSession: (session, cookies) => this.#sealSession(session, cookies),
    });
    this.#logout = new LogoutFlow(options, { client, outage, findProvider, logouts: env.feed(LOGOUTS_FEED) });
  }

  identify(exchange: Exchange): Maybe<Identity | Reply | undefined> {
    const field = cookieField(exchange.headers);
    if (field === undefined) return undefined;
    const text = this.#cookiesFor(exchange).readSession(field);
    if (text === undefined) return undefined;
    const now = Date.now();
    const known = this.#sessions.recognise(text, now);
    if (known === null) return this.#reject(exchange, errors.credentialInvalid);
    const error = this.#sessions.judge(known, now);
    if (error !== null) return this.#reject(exchange, error);
    // The session is good, and stays: it is the request that is not.
    if (changesSomething(exchange) && isForeign(exchange, this.#origins)) return Reply.refuse(replies.crossSite);
    if (this.#sessions.needsRenewal(known, now)) return this.#renewed(known, exchange);
    return this.#settle(known, exchange, now);
  }

  readonly conceal = (exchange: Exchange): void => {
    this.#cookiesFor(exchange).conceal(exchange.headers);
    const { identity } = exchange;
    if (!this.#options.forwardAccessToken || identity === null) return;
    const known = this.#sessions.behind(identity);
    if (known === undefined) return;
    // What the browser says there is not this user's token, also where there is none.
    exchange.headers.remove(authorization);
    const { accessToken } = known.session;
    if (accessToken !== null) exchange.headers.add(authorization, `Bearer ${accessToken}`);
  };

  readonly invite = (exchange: Exchange): Reply | undefined => this.#invite(exchange, new HeaderBlock());

  /** A session that is used, or was refreshed, needs another cookie. */
  readonly respond = (exchange: Exchange, { headers }: ResponseHead): void => {
    const { identity } = exchange;
    const known = identity === null ? undefined : this.#sessions.behind(identity);
    if (known === undefined) return;
    const now = Date.now();
    if (!known.isStale && now < known.touchAt) return;
    known.touchAt = now + this.#options.session.idle / 4;
    // Another machine may have written a better one.
    if (known.isOver) return;
    const session = { ...known.session, activeAt: now };
    const cookies = this.#cookiesFor(exchange);
    const text = this.#sealSession(session, cookies);
    if (text === null) return;
    cookies.writeSession(headers, text, cookieSeconds(session, this.#options), known.chunks);
    // Whatever the service said: nobody else may get this cookie from a cache.
    headers.set(cacheControl, 'no-store');
  };

  readonly serve = (endpoint: string, exchange: Exchange): Maybe<Reply> => {
    if (endpoint === 'backchannel') return this.#logout.backchannel(exchange);
    const site = siteOf(exchange, this.#site);
    if (site === null) return replies.refusal(errors.malformedRequest);
    const cookies = this.#cookiesFor(exchange);
    if (endpoint === 'login') return this.#login.login(exchange, site, cookies);
    if (endpoint === 'callback') return this.#callback(exchange, cookies);
    if (endpoint === 'frontchannel') return this.#logout.frontchannel(exchange, this.#goodSession(exchange), cookies);
    return this.#logout.logout(exchange, this.#goodSession(exchange), site, cookies);
  };

  close(): void {
    // Nothing is open: what it remembers goes with it.
  }

  async #callback(exchange: Exchange, cookies: Cookies): Promise<Reply> {
    // Whoever only looks must not use up the code.
    if (exchange.method !== 'GET') return replies.refusal(errors.methodNotAllowed, HeaderBlock.of([['allow', 'GET']]));
    const reply = await this.#login.callback(exchange, cookies);
    if (reply !== null) return reply;
    // It was over already: a reload, or the way back in the history.
    return this.#goodSession(exchange) === null ? replies.refusal(replies.loginExpired) : replies.redirect('/');
  }

  async #renewed(known: KnownSession, exchange: Exchange): Promise<Identity | Reply> {
    await this.#sessions.renew(known);
    const now = Date.now();
    const error = this.#sessions.judge(known, now);
    return error === null ? this.#settle(known, exchange, now) : this.#reject(exchange, error);
  }

  #settle(known: KnownSession, exchange: Exchange, now: number): Identity | Reply {
    if (this.#sessions.isWithoutToken(known, now)) {
      // Until the access token ends it could be another machine that has used the refresh token, and the browser about to
      // hear of it; from then on it is the provider's last word.
      if (known.isOver) return this.#reject(exchange, errors.credentialRevoked);
      if (this.#options.session.onRefreshFailure === 'refuse') return replies.unavailable();
    }
    return known.identity;
  }

  /** A person is led to a login, and whatever else it is gets to know: either way the cookie is of no more use. */
  #reject(exchange: Exchange, error: GatewayError): Reply {
    if (error.status === 503) return replies.unavailable();
    const headers = new HeaderBlock();
    this.#cookiesFor(exchange).clearSession(headers, cookieField(exchange.headers) ?? '');
    const invitation = this.#invite(exchange, headers);
    if (invitation !== undefined) return invitation;
    headers.add(wwwAuthenticate, this.challenge);
    return replies.refusal(error, headers);
  }

  #invite(exchange: Exchange, headers: HeaderBlock): Reply | undefined {
    if (!isNavigation(exchange)) return undefined;
    const metadata = this.#provider.get(METADATA);
    const site = siteOf(exchange, this.#site);
    if (metadata === undefined || site === null) return this.#login.invite(exchange, headers);
    return this.#login.begin(metadata, exchange, site, this.#cookiesFor(exchange), headers);
  }

  /** Of the browser that asks for one of our paths. */
  #goodSession(exchange: Exchange): Session | null {
    const field = cookieField(exchange.headers);
    const text = field === undefined ? undefined : this.#cookiesFor(exchange).readSession(field);
    const now = Date.now();
    const known = text === undefined ? null : this.#sessions.recognise(text, now);
    return known === null || this.#sessions.judge(known, now) !== null ? null : known.session;
  }

  /** Null: it fits into no cookies. */
  #sealSession(session: Session, cookies: Cookies): string | null {
    const text = this.#sessions.seal(session);
    if (cookies.fits(text)) return text;
    // The provider asks the user at logout whose session it is, then.
    const smaller = this.#sessions.seal({ ...session, idToken: null });
    if (cookies.fits(smaller)) return smaller;
    this.#outage.failed('a session does not fit into cookies: let `claims.keep` name the claims that are needed');
    return null;
  }

  async #findProvider(): Promise<ProviderMetadata | null> {
    const known = this.#provider.get(METADATA);
    if (known !== undefined) return known;
    await this.#provider.ask(METADATA);
    return this.#provider.get(METADATA) ?? null;
  }

  #cookiesFor({ scheme }: Exchange): Cookies {
    return (this.#site?.isSecure ?? scheme === 'https') ? this.#cookies.secure : this.#cookies.plain;
  }
}
