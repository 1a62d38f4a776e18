import { randomBytes } from 'node:crypto';
import type { OidcOptions } from './oidc-options.ts';

/**
 * One sign-in, as the browser keeps it for us: sealed, in a cookie. There is no store of sessions to lose or to share. All
 * times are milliseconds since the epoch.
 */
export interface Session {
  readonly id: string;
  readonly subject: string;
  /** The provider's name for its own session (OpenID Connect Back-Channel Logout 1.0, 2.1). */
  readonly sid: string | null;
  readonly startedAt: number;
  readonly endsAt: number;
  /** When the cookie was written: without another request it ends `idle` later. */
  readonly activeAt: number;
  readonly claims: Readonly<Record<string, unknown>>;
  /** As the provider granted them, separated by spaces. */
  readonly scope: string;
  /** Null when the service does not get it. */
  readonly accessToken: string | null;
  /** End of the access token; null: unknown. */
  readonly accessUntil: number | null;
  /** Null: the session cannot be refreshed. */
  readonly refreshToken: string | null;
  /** Ahead of the access token's end; null: never. */
  readonly refreshAt: number | null;
  /** Tells the provider at logout whose session it is; null where there was no room for it. */
  readonly idToken: string | null;
}

/** What the provider's answer comes to, once it was checked. */
export interface Grant {
  readonly claims: Readonly<Record<string, unknown>>;
  readonly scope: string | null;
  readonly accessToken: string;
  /** Milliseconds; null: it does not say. */
  readonly accessLifetime: number | null;
  readonly refreshToken: string | null;
  readonly idToken: string | null;
}

export type SessionOptions = Pick<OidcOptions, 'claims' | 'forwardAccessToken' | 'session' | 'scopes'>;

const FORMAT = 1;
/** Of the protocol, not about the user. */
const PROTOCOL_CLAIMS: ReadonlySet<string> = new Set([
  'aud',
  'azp',
  'at_hash',
  'c_hash',
  's_hash',
  'exp',
  'iat',
  'nbf',
  'jti',
  'nonce',
  'sid',
]);
/** A provider whose tokens end at once is not asked at every request. */
const MIN_LIFETIME = 1_000;
/** How long before its end an access token is replaced: a fifth of its lifetime, and at most this. */
const LONGEST_AHEAD = 60_000;

export function startSession(grant: Grant, options: SessionOptions, now: number): Session {
  const { forwardAccessToken, session } = options;
  const { sub, sid } = grant.claims;
  const tokens = tokensOf(grant, null, forwardAccessToken, now);
  let endsAt = now + session.ttl;
  // A token that nothing renews would be forwarded dead.
  const isBound = forwardAccessToken && tokens.refreshToken === null && tokens.accessUntil !== null;
  if (isBound) endsAt = Math.min(endsAt, tokens.accessUntil);
  return {
    id: randomBytes(16).toString('base64url'),
    subject: String(sub),
    sid: typeof sid === 'string' ? sid : null,
    startedAt: now,
    endsAt,
    activeAt: now,
    claims: keptClaims(grant.claims, options),
    // RFC 6749, 5.1: what was asked for, unless the answer says otherwise.
    scope: grant.scope ?? options.scopes.join(' '),
    ...tokens,
  };
}

/**
 * The same session with what a refresh brought. A new ID token speaks in place of the last one: a role that it does not
 * name any more is gone. An answer without one says only what user info says, if that is asked.
 */
export function renewSession(session: Session, grant: Grant, options: SessionOptions, now: number): Session {
  const claims = keptClaims(grant.claims, options);
  return {
    ...session,
    activeAt: now,
    claims: grant.idToken === null ? { ...session.claims, ...claims } : claims,
    scope: grant.scope ?? session.scope,
    ...tokensOf(grant, session, options.forwardAccessToken, now),
  };
}

function tokensOf(
  { accessToken, accessLifetime, refreshToken, idToken }: Grant,
  before: Session | null,
  forwardAccessToken: boolean,
  now: number,
): Pick<Session, 'accessToken' | 'accessUntil' | 'refreshToken' | 'refreshAt' | 'idToken'> {
  const renewal = refreshToken ?? before?.refreshToken ?? null;
  const ahead = accessLifetime === null ? 0 : Math.min(LONGEST_AHEAD, accessLifetime / 5);
  return {
    accessToken: forwardAccessToken ? accessToken : null,
    accessUntil: accessLifetime === null ? null : now + accessLifetime,
    refreshToken: renewal,
    refreshAt:
      renewal === null || accessLifetime === null
        ? null
        : Math.floor(now + Math.max(accessLifetime - ahead, MIN_LIFETIME)),
    idToken: idToken ?? before?.idToken ?? null,
  };
}

function keptClaims(all: Grant['claims'], { claims: { keep, ...paths } }: SessionOptions): Record<string, unknown> {
  const wanted =
    keep === undefined ? null : new Set(['iss', 'sub', ...keep, ...Object.values(paths).flat().map(topOf)]);
  const kept = Object.entries(all).filter(([name]) => {
    if (PROTOCOL_CLAIMS.has(name)) return false;
    return wanted === null || wanted.has(name) || wanted.has(topOf(name));
  });
  return Object.fromEntries(kept);
}

/** The claim at the top that a path leads into. */
function topOf(path: string): string {
  return path.startsWith('/') ? (path.slice(1).split('/')[0] ?? '') : (path.split('.')[0] ?? '');
}

/** Compact, because it travels with every request. */
export function encodeSession(session: Session): string {
  const { id, subject, sid, startedAt, endsAt, activeAt, claims, scope } = session;
  const { accessToken, accessUntil, refreshToken, refreshAt, idToken } = session;
  const tokens = [accessToken, accessUntil, refreshToken, refreshAt, idToken];
  return JSON.stringify([FORMAT, id, subject, sid, startedAt, endsAt, activeAt, claims, scope, ...tokens]);
}

/** Of text that was sealed here; null: by a version that wrote it in another way. */
export function decodeSession(text: string): Session | null {
  const parts = JSON.parse(text);
  if (!Array.isArray(parts) || parts[0] !== FORMAT) return null;
  const [, id, subject, sid, startedAt, endsAt, activeAt, claims, scope] = parts;
  const [accessToken, accessUntil, refreshToken, refreshAt, idToken] = parts.slice(9);
  return {
    id,
    subject,
    sid,
    startedAt,
    endsAt,
    activeAt,
    claims,
    scope,
    accessToken,
    accessUntil,
    refreshToken,
    refreshAt,
    idToken,
  };
}
