import type { KeyRecord } from '../policies/auth/api-key/key-record.ts';
import type { KeyDirectory } from './key-directory.ts';

export type KeyState = 'active' | 'disabled' | 'expired' | 'revoked' | 'unknown-consumer' | 'unknown-entry';

/** A key as operators see it. */
export interface KeyView {
  readonly id: string;
  /** What of the key may be shown; empty when it was made elsewhere. */
  readonly prefix: string;
  readonly state: KeyState;
  /** Entry of `auth`. */
  readonly auth: string;
  readonly consumer: string;
  readonly plan: string | null;
  readonly name: string | null;
  readonly scopes: readonly string[];
  /** ISO 8601, like the other times. */
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
}

export function viewOf(id: string, record: KeyRecord, directory: KeyDirectory): KeyView {
  const { prefix, entry, consumer, plan, name, scopes, createdAt, expiresAt, revokedAt } = record;
  return {
    id,
    prefix,
    state: stateOf(record, directory),
    auth: entry,
    consumer,
    plan,
    name,
    scopes,
    createdAt: new Date(createdAt).toISOString(),
    expiresAt: expiresAt === null ? null : new Date(expiresAt).toISOString(),
    revokedAt: revokedAt === null ? null : new Date(revokedAt).toISOString(),
  };
}

function stateOf({ entry, consumer, enabled, expiresAt, revokedAt }: KeyRecord, directory: KeyDirectory): KeyState {
  if (revokedAt !== null) return 'revoked';
  if (expiresAt !== null && expiresAt <= Date.now()) return 'expired';
  if (!directory.entries.has(entry)) return 'unknown-entry';
  if (!directory.consumers.has(consumer)) return 'unknown-consumer';
  return enabled ? 'active' : 'disabled';
}
