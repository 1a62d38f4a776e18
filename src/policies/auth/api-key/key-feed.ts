/** What the main thread publishes of the keys of an `apiKey` entry: digests and hashes, never a key. */

/** Of configured keys: SHA-256 in hexadecimal → whose it is. Published once, before the first request. */
export const CONFIGURED_FEED = 'configured';
/** Of stored keys: `KeyRecord.hash` → what workers need. Version 0: the store has not been read yet. */
export const STORED_FEED = 'keys';
/** Everything by which stored keys are hashed: id → secret as text. */
export const PEPPERS_FEED = 'peppers';

export interface ConfiguredKey {
  readonly id: string;
  readonly consumer: string;
}

export interface StoredKey {
  readonly id: string;
  readonly consumer: string;
  readonly plan: string | null;
  readonly scopes: readonly string[];
  readonly createdAt: number;
  readonly expiresAt: number | null;
  /** False: disabled or revoked. */
  readonly enabled: boolean;
}
