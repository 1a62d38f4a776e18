import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { HeaderBlock } from '../../../base/headers.ts';
import type { Exchange } from '../../../plan/exchange.ts';
import type { Reply } from '../../../plan/reply.ts';
import { cookieField } from '../../../semantics/cookie.ts';
import { queryValue } from '../../../semantics/query.ts';
import { safeReturnPath } from '../../../semantics/return-path.ts';
import { normalizeTarget, Target } from '../../../semantics/url.ts';
import { ExpiringMap } from '../expiring-map.ts';
import type { Outage } from '../outage.ts';
import type { Cookies } from './oidc-cookie.ts';
import { type OidcOptions, ownPathsOf } from './oidc-options.ts';
import { type LoginSecrets, type ProviderClient, ProviderFailure, type ProviderMetadata } from './oidc-provider.ts';
import * as replies from './oidc-replies.ts';
import type { Seal } from './oidc-seal.ts';
import { type Session, startSession } from './oidc-session.ts';
import { isLoopback, type Site } from './oidc-site.ts';

/** As long as somebody may take to sign in, second factor and forgotten password included. */
const LOGIN_SECONDS = 15 * 60;
/** Tabs that wait for a login at once; the cookies of more would push each other out. */
const MAX_LOGINS = 6;
const KEY_LENGTH = 10;
const STATE = /^[A-Za-z0-9_-]{43}$/;
/** A callback that comes again: a reload, or an impatient click. */
const REPEAT_MS = 60_000;
const MAX_REPEATS = 1000;
const returned = new Target();

/** What a login remembers, sealed, in a cookie of its own: several tabs can be on their way. */
interface Login extends LoginSecrets {
  readonly returnPath: string;
  /** Milliseconds since the epoch: a browser need not keep to Max-Age. */
  readonly until: number;
}

/** What came of a code: a session, or why there is none. */
type Outcome = Session | ProviderFailure;

export interface LoginParts {
  readonly client: Pick<ProviderClient, 'redeem'>;
  readonly seal: Seal;
  readonly outage: Outage;
  /** What is known of the provider, or found now; null: nothing. */
  findProvider(): Promise<ProviderMetadata | null>;
  /** A cookie's text that fits; null: there is none. */
  sealSession(session: Session, cookies: Cookies): string | null;
}

/** The way to the provider and back (OpenID Connect Core 1.0, 3.1, with RFC 7636 and RFC 9207). */
export class LoginFlow {
  readonly #options: OidcOptions;
  readonly #parts: LoginParts;
  readonly #ownPaths: ReadonlySet<string>;
  /** By state: a code is good once, and using it twice ends what came of it (RFC 6749, 4.1.2). */
  readonly #outcomes = new ExpiringMap<Promise<Outcome>>(MAX_REPEATS);

  constructor(options: OidcOptions, parts: LoginParts) {
    this.#options = options;
    this.#parts = parts;
    this.#ownPaths = new Set(ownPathsOf(options).map(([, path]) => path));
  }

  /** To the login path, which looks for the provider first. */
  invite(exchange: Exchange, headers: HeaderBlock): Reply {
    const to = encodeURIComponent(this.#returnPathOf(targetOf(exchange)));
    return replies.redirect(`${this.#options.loginPath}?return=${to}`, headers);
  }

  /** To the provider, and then back to what was asked for. */
  begin(metadata: ProviderMetadata, exchange: Exchange, site: Site, cookies: Cookies, headers: HeaderBlock): Reply {
    return this.#begin(metadata, exchange, site, cookies, this.#returnPathOf(targetOf(exchange)), headers);
  }

  /** The path that begins a login. */
  async login(exchange: Exchange, site: Site, cookies: Cookies): Promise<Reply> {
    const metadata = await this.#parts.findProvider();
    if (metadata === null) return replies.unavailable();
    const returnPath = this.#returnPathOf(queryValue(exchange.query, 'return') ?? '/');
    return this.#begin(metadata, exchange, site, cookies, returnPath, new HeaderBlock());
  }

  /** The path that the provider sends browsers back to; null: this browser has no such login under way. */
  async callback(exchange: Exchange, cookies: Cookies): Promise<Reply | null> {
    const parameters = new URLSearchParams(exchange.query);
    const [state = '', ...others] = parameters.getAll('state');
    if (others.length > 0 || !STATE.test(state)) return replies.refusal(replies.loginFailed);
    const field = cookieField(exchange.headers) ?? '';
    const key = state.slice(0, KEY_LENGTH);
    const login = this.#read(cookies.readLogin(field, key));
    if (login === null || login.until <= Date.now() || !isSame(login.state, state)) return null;
    const headers = new HeaderBlock();
    cookies.clearLogin(headers, key);
    const outcome = await this.#redeemOnce(parameters, login);
    return outcome instanceof ProviderFailure
      ? this.#failed(outcome, headers)
      : this.#arrived(outcome, login, cookies, field, headers);
  }

  #begin(
    metadata: ProviderMetadata,
    exchange: Exchange,
    site: Site,
    cookies: Cookies,
    returnPath: string,
    headers: HeaderBlock,
  ): Reply {
    if (!site.isSecure && !this.#options.session.allowInsecure && !isLoopback(exchange)) {
      this.#parts.outage.failed('nobody can sign in over plain HTTP: say `url`, or which proxies are trusted');
      return replies.refusal(replies.loginInsecure);
    }
    const login: Login = {
      state: random(),
      nonce: random(),
      verifier: random(),
      redirectUri: site.origin + this.#options.redirectPath,
      returnPath,
      until: Date.now() + LOGIN_SECONDS * 1000,
    };
    const underWay = cookies.loginKeys(cookieField(exchange.headers) ?? '');
    if (underWay.length >= MAX_LOGINS) for (const key of underWay) cookies.clearLogin(headers, key);
    const sealed = this.#parts.seal.seal(JSON.stringify(login));
    cookies.writeLogin(headers, login.state.slice(0, KEY_LENGTH), sealed, LOGIN_SECONDS);
    return replies.redirect(this.#authorizationUrl(metadata, login), headers);
  }

  #authorizationUrl(metadata: ProviderMetadata, { state, nonce, verifier, redirectUri }: Login): string {
    const { clientId, scopes, parameters } = this.#options;
    const url = new URL(metadata.authorization_endpoint);
    const said = {
      ...parameters,
      response_type: 'code',
      client_id: clientId,
      redirect_uri: redirectUri,
      scope: [...new Set(['openid', ...scopes])].join(' '),
      state,
      nonce,
      code_challenge: hash('sha256', verifier, 'base64url'),
      code_challenge_method: 'S256',
    };
    for (const [name, value] of Object.entries(said)) url.searchParams.set(name, value);
    return url.href;
  }

  #redeemOnce(parameters: URLSearchParams, login: Login): Promise<Outcome> {
    const now = Date.now();
    let outcome = this.#outcomes.get(login.state, now);
    if (outcome === undefined) {
      outcome = this.#redeem(parameters, login);
      this.#outcomes.set(login.state, outcome, now + REPEAT_MS);
    }
    return outcome;
  }

  async #redeem(parameters: URLSearchParams, login: Login): Promise<Outcome> {
    const { client, outage, findProvider } = this.#parts;
    const metadata = await findProvider();
    if (metadata === null) return new ProviderFailure('unavailable', 'the provider cannot be found');
    try {
      const grant = await client.redeem(metadata, parameters, login);
      outage.works();
      return startSession(grant, this.#options, Date.now());
    } catch (error) {
      if (!(error instanceof ProviderFailure)) throw error;
      // What a user or a forger did is no outage.
      if (error.reason !== 'refused') outage.failed(`a sign-in did not succeed: ${error.message}`);
      return error;
    }
  }

  #failed({ reason }: ProviderFailure, headers: HeaderBlock): Reply {
    if (reason === 'unavailable') return replies.unavailable(headers);
    return replies.refusal(reason === 'refused' ? replies.loginRefused : replies.loginFailed, headers);
  }

  #arrived(session: Session, { returnPath }: Login, cookies: Cookies, field: string, headers: HeaderBlock): Reply {
    const text = this.#parts.sealSession(session, cookies);
    if (text === null) return replies.refusal(replies.loginTooLarge, headers);
    const seconds = cookieSeconds(session, this.#options);
    cookies.writeSession(headers, text, seconds, cookies.chunksIn(field));
    if (this.#options.session.sameSite === 'Lax') return replies.redirect(returnPath, headers);
    // A redirect would still come from the provider's site, and strict cookies would stay at home.
    const to = replies.escapeMarkup(returnPath);
    return replies.page(
      'Signed in',
      `<a href="${to}">Go on</a>`,
      `<meta http-equiv="refresh" content="0;url=${to}">`,
      headers,
    );
  }

  #read(sealed: string | undefined): Login | null {
    const opened = sealed === undefined ? null : this.#parts.seal.open(sealed);
    return opened === null ? null : JSON.parse(opened.text);
  }

  /** Paths of our own would lead in a circle, or out again. */
  #returnPathOf(text: string): string {
    const path = safeReturnPath(text);
    // As it will be matched: `/oauth2/./logout` is one of them too.
    const isGood = path !== null && normalizeTarget(path, returned) && !this.#ownPaths.has(returned.path);
    return isGood ? path : '/';
  }
}

/** For as long as a session is of use without another request. */
export function cookieSeconds(session: Session, { session: { idle } }: OidcOptions): number {
  return Math.max(1, Math.ceil(Math.min(session.endsAt - session.activeAt, idle) / 1000));
}

function targetOf({ path, query }: Exchange): string {
  return query === '' ? path : `${path}?${query}`;
}

/** 256 bits, as base64url. */
function random(): string {
  return randomBytes(32).toString('base64url');
}

/** Both are known to have one length. */
function isSame(one: string, other: string): boolean {
  return timingSafeEqual(Buffer.from(one), Buffer.from(other));
}
