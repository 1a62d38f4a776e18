import { hash } from 'node:crypto';
import type { OidcOptions } from './oidc-options.ts';
import { Seal } from './oidc-seal.ts';
import type { Session } from './oidc-session.ts';

/** What crosses between the main thread and workers for an entry that signs browsers in. */

/** The provider's metadata (`ProviderMetadata`), under the key `METADATA`. Whoever misses it asks, whatever the hint. */
export const PROVIDER_FEED = 'provider';
export const METADATA = 'metadata';

/** Sessions that ended before their time, by `logoutKey`: the milliseconds at which. The hint is a `LogoutHint`. */
export const LOGOUTS_FEED = 'logouts';

/**
 * What refreshes brought, by `renewalKey`: the session anew, sealed, or `OVER`. The hint is the sealed session. They are
 * kept for a while, since requests that were on their way have the old cookie, whose refresh token may be good only once.
 */
export const RENEWALS_FEED = 'renewals';
export const OVER = '';

/** `session`: one of ours. `sid`: one of the provider's. `sub`: all of a user's. */
export type LogoutKind = 'session' | 'sid' | 'sub';

export interface LogoutHint {
  readonly key: string;
  readonly at: number;
}

export function logoutKey(kind: LogoutKind, id: string): string {
  return `${kind} ${id}`;
}

export function renewalKey({ id, refreshToken }: Session): string {
  return hash('sha256', `${id} ${refreshToken}`, 'base64url');
}

export type SealPurpose = 'session' | 'login' | 'renewal';

/** Keys are bound to the entry, so that no entry takes what another one sealed. */
export function sealFor(purpose: SealPurpose, entry: string, options: OidcOptions): Seal {
  const { cookieSecret, issuer, clientId } = options;
  return new Seal(cookieSecret, [purpose, entry, issuer, clientId]);
}
