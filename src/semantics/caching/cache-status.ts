/** Why the request went on (RFC 9211, 2.2). */
export type ForwardReason = 'bypass' | 'method' | 'uri-miss' | 'vary-miss' | 'miss' | 'request' | 'stale' | 'partial';

/** What this cache did for a request (RFC 9211, 2). */
export interface CacheOutcome {
  isHit: boolean;
  /** Null: it did not go on. */
  forward: ForwardReason | null;
  /** Status of what it got by going on; 0: nothing, or the same as that of the response. */
  forwardStatus: number;
  isStored: boolean;
  isCollapsed: boolean;
  /** Seconds for which it is fresh, negative when stale; NaN: not said. */
  ttl: number;
  /** Empty: not said. */
  key: string;
  /** A token or a few words; empty: not said. */
  detail: string;
}

/** A member of the Cache-Status list (RFC 9211); `name`: what this cache calls itself. */
export function cacheStatusMember(name: string, outcome: CacheOutcome): string {
  throw new Error('to be written');
}

/** Cache-Status with a member of this cache after those of caches nearer to the origin. */
export function withMember(received: string | undefined, member: string): string {
  throw new Error('to be written');
}
