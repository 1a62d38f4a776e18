import { createHmac, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import type { RecordValue } from '../../../plan/records.ts';

/** Collection of API keys; a record's id is the key's. */
export const KEYS_COLLECTION = 'keys';

/** What is known of a key. Neither the key is in it, nor anything that it could be found by. */
const schema = z.object({
  /** The entry of `auth` that it is for. */
  entry: z.string(),
  /** The part of the key that may be shown; empty when it was made elsewhere. */
  prefix: z.string(),
  /** See `hashOf`. */
  hash: z.string(),
  consumer: z.string(),
  plan: z.string().nullable(),
  scopes: z.array(z.string()),
  enabled: z.boolean(),
  /** Milliseconds since the epoch, like the other times. */
  createdAt: z.number(),
  expiresAt: z.number().nullable(),
  revokedAt: z.number().nullable().default(null),
  name: z.string().nullable(),
});

export type KeyRecord = Readonly<z.output<typeof schema>>;

/** Null: it was written by something else, and is no key. */
export function readKeyRecord(value: RecordValue): KeyRecord | null {
  return schema.safeParse(value).data ?? null;
}

/** What all hashes of an installation are keyed with (`peppers.ts`). */
export interface Pepper {
  /** Says which one, and nothing about it. */
  readonly id: string;
  readonly secret: KeyObject;
}

/**
 * The hash under which a key is kept and found, of the SHA-256 of the key: so keys that are known by their digest alone
 * can be imported. Whoever reads the store without the pepper can neither test guesses against it (imported keys may be
 * weaker than ours) nor put a key of their own into it.
 */
export function hashOf(digest: string, pepper: Pepper): string {
  return `hmac-sha256:${pepper.id}:${createHmac('sha256', pepper.secret).update(digest).digest('base64url')}`;
}

/** Id of the pepper that a hash was made with. */
export function pepperOf(hash: string): string {
  return hash.split(':', 2)[1] ?? '';
}
