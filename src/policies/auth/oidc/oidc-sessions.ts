import { hash } from 'node:crypto';
import { errors, type GatewayError } from '../../../base/gateway-error.ts';
import type { Identity } from '../../../plan/exchange.ts';
import type { Feed } from '../../../plan/feed.ts';
import type { IdentifierEnv } from '../../../plan/identifier.ts';
import { type ClaimPath, parseClaimPath, readName, readNames } from '../../../semantics/claim-path.ts';
import { ExpiringMap } from '../expiring-map.ts';
import { identityOf } from '../identity.ts';
import { chunksOf } from './oidc-cookie.ts';
import { LOGOUTS_FEED, logoutKey, OVER, RENEWALS_FEED, renewalKey, sealFor } from './oidc-feeds.ts';
import type { OidcOptions } from './oidc-options.ts';
import type { Seal } from './oidc-seal.ts';
import { decodeSession, encodeSession, type Session } from './oidc-session.ts';

/** Each may be as large as its cookies are. */
const MAX_REMEMBERED = 4096;
/** A provider that could not refresh a session is left alone for this long. */
const PAUSE_MS = 5_000;

/** What a worker knows about the text of one cookie. */
export class KnownSession {
  /** What the text says, or what a refresh has made of it since. */
  session: Session;
  identity: Identity;
  /** Cookies that the text is in. */
  readonly chunks: number;
  /** The browser had better have another cookie. */
  isStale: boolean;
  /** Milliseconds since the epoch from which the cookie is written anew, for it has to say when it was used. */
  touchAt: number;
  /** The same: a refresh is not tried before. */
  retryAt = 0;
  /** The provider refreshes it no more. */
  isOver = false;
  renewal: Promise<void> | null = null;
  /** Versions of what it was compared with. */
  logouts = -1;
  revocations = -1;

  constructor(session: Session, identity: Identity, chunks: number, isStale: boolean, touchAt: number) {
    this.session = session;
    this.identity = identity;
    this.chunks = chunks;
    this.isStale = isStale;
    this.touchAt = touchAt;
  }
}

/** Recognises sessions. One that was seen before costs a digest of its text and a look into a map. */
export class Sessions {
  readonly #options: OidcOptions;
  readonly #env: IdentifierEnv;
  readonly #seal: Seal;
  readonly #renewalSeal: Seal;
  readonly #logouts: Feed<number>;
  readonly #renewals: Feed<string>;
  readonly #known = new ExpiringMap<KnownSession>(MAX_REMEMBERED);
  readonly #byIdentity = new WeakMap<Identity, KnownSession>();
  readonly #paths: Readonly<Record<'id' | 'consumer' | 'plan' | 'scopes' | 'roles' | 'groups', readonly ClaimPath[]>>;

  constructor(options: OidcOptions, env: IdentifierEnv) {
    this.#options = options;
    this.#env = env;
    this.#seal = sealFor('session', env.entry, options);
    this.#renewalSeal = sealFor('renewal', env.entry, options);
    this.#logouts = env.feed(LOGOUTS_FEED);
    this.#renewals = env.feed(RENEWALS_FEED);
    const { id, consumer, plan, scopes, roles, groups } = options.claims;
    this.#paths = {
      id: id.map(parseClaimPath),
      consumer: consumer.map(parseClaimPath),
      plan: plan.map(parseClaimPath),
      scopes: scopes.map(parseClaimPath),
      roles: roles.map(parseClaimPath),
      groups: groups.map(parseClaimPath),
    };
  }

  /** Null: it is no session of ours. What another worker's request has brought for it is taken over here. */
  recognise(text: string, now: number): KnownSession | null {
    const known = this.#find(text, now);
    if (known !== null && isDue(known, now)) this.#adopt(known);
    return known;
  }

  #find(text: string, now: number): KnownSession | null {
    const digest = hash('sha256', text, 'base64');
    const known = this.#known.get(digest, now);
    if (known !== undefined) return known;
    const opened = this.#seal.open(text);
    const session = opened === null ? null : decodeSession(opened.text);
    const identity = session === null ? null : this.identityOf(session);
    if (opened === null || session === null || identity === null) return null;
    const touchAt = session.activeAt + this.#options.session.idle / 4;
    const found = new KnownSession(session, identity, chunksOf(text), opened.isOld, touchAt);
    this.#byIdentity.set(identity, found);
    this.#known.set(digest, found, session.endsAt);
    return found;
  }

  /** The session behind an identity that was handed out. */
  behind(identity: Identity): KnownSession | undefined {
    return this.#byIdentity.get(identity);
  }

  /** Null: the claims do not say who it is. */
  identityOf({ claims, scope }: Session): Identity | null {
    const { id, consumer, plan, scopes, roles, groups } = this.#paths;
    const name = readName(claims, id);
    if (name === null) return null;
    const facts = {
      id: name,
      consumer: readName(claims, consumer),
      plan: readName(claims, plan),
      scopes: scopes.length === 0 ? scope.split(' ').filter((each) => each !== '') : readNames(claims, scopes, true),
      roles: readNames(claims, roles, false),
      groups: readNames(claims, groups, false),
      claims,
    };
    return identityOf(facts, this.#env);
  }

  /** Why it is not good now; null: it is. */
  judge(known: KnownSession, now: number): GatewayError | null {
    const { session } = known;
    const { ttl, idle } = this.#options.session;
    // A session that began under a longer `ttl` has the present one.
    const end = Math.min(session.endsAt, session.startedAt + ttl, session.activeAt + idle);
    if (now >= end) return errors.credentialExpired;
    // Nobody has said yet which sessions have ended.
    if (this.#logouts.version === 0) return errors.identityUnavailable;
    const { revocations } = this.#env;
    if (known.logouts === this.#logouts.version && known.revocations === revocations.version) return null;
    if (this.#hasEnded(session) || this.#isRevoked(known)) return errors.credentialRevoked;
    known.logouts = this.#logouts.version;
    known.revocations = revocations.version;
    return null;
  }

  /** Whether it waits for `renew`. */
  needsRenewal(known: KnownSession, now: number): boolean {
    return isDue(known, now) && now >= known.retryAt;
  }

  /** Has the main thread refresh it; everybody with the same cookie waits for the same. */
  renew(known: KnownSession): Promise<void> {
    known.renewal ??= this.#renew(known);
    return known.renewal;
  }

  /** The access token has ended, and there is no other. */
  isWithoutToken({ session: { refreshToken, accessUntil } }: KnownSession, now: number): boolean {
    return refreshToken !== null && accessUntil !== null && now >= accessUntil;
  }

  /** The cookie's text. */
  seal(session: Session): string {
    return this.#seal.seal(encodeSession(session));
  }

  async #renew(known: KnownSession): Promise<void> {
    try {
      await this.#renewals.ask(this.#renewalSeal.seal(encodeSession(known.session)));
      if (!this.#adopt(known)) known.retryAt = Date.now() + PAUSE_MS;
    } finally {
      known.renewal = null;
    }
  }

  /** Takes over what a refresh has brought; false: there is nothing. */
  #adopt(known: KnownSession): boolean {
    const published = this.#renewals.get(renewalKey(known.session));
    if (published === undefined) return false;
    const opened = published === OVER ? null : this.#renewalSeal.open(published);
    const session = opened === null ? null : decodeSession(opened.text);
    const identity = session === null ? null : this.identityOf(session);
    if (session === null || identity === null) {
      known.isOver = true;
      return true;
    }
    known.session = session;
    known.identity = identity;
    known.isStale = true;
    // It may be somebody else to the configuration now.
    known.revocations = -1;
    this.#byIdentity.set(identity, known);
    return true;
  }

  #hasEnded({ id, sid, subject, startedAt }: Session): boolean {
    const logouts = this.#logouts;
    if (logouts.get(logoutKey('session', id)) !== undefined) return true;
    // Who signs in again after a logout is in again.
    if (sid !== null && (logouts.get(logoutKey('sid', sid)) ?? 0) >= startedAt) return true;
    return (logouts.get(logoutKey('sub', subject)) ?? 0) >= startedAt;
  }

  #isRevoked({ session: { sid, subject, startedAt }, identity }: KnownSession): boolean {
    const { revocations } = this.#env;
    const since = Math.floor(startedAt / 1000);
    if (revocations.isRevoked('subject', subject, since)) return true;
    if (identity.id !== subject && revocations.isRevoked('subject', identity.id, since)) return true;
    if (identity.consumer !== null && revocations.isRevoked('consumer', identity.consumer, since)) return true;
    return sid !== null && revocations.isRevoked('token', sid, since);
  }
}

/** It has to be refreshed, and can be. */
function isDue({ session: { refreshAt }, isOver }: KnownSession, now: number): boolean {
  return refreshAt !== null && now >= refreshAt && !isOver;
}
