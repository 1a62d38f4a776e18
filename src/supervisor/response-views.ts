import { createHash } from 'node:crypto';
import { decodeHead, type StoredHead } from '../policies/cache/stored-head.ts';
import { currentAge, remainingLifetime } from '../semantics/caching/freshness.ts';
import type { ResponseEntry } from '../shared-memory/response-memory.ts';

/** What operators get to see of a stored response. Times are ISO 8601. */
export interface ResponseView {
  /** Short, and the same for the same key. */
  readonly id: string;
  readonly url: string;
  readonly gateway: string;
  /** What else tells it apart, in lines; empty: nothing does. */
  readonly variant: string;
  readonly status: number;
  /** Bytes of the body. */
  readonly size: number;
  readonly storedAt: string;
  readonly ageSeconds: number;
  /** Below 0: for so long it has been stale. */
  readonly ttlSeconds: number;
  /** `purged`: softly, it has to be validated. */
  readonly state: 'fresh' | 'stale' | 'purged';
  readonly tags: readonly string[];
}

export interface ResponseDetails extends ResponseView {
  readonly etag: string;
  readonly lastModified: string;
  readonly vary: string;
  readonly staleWhileRevalidateSeconds: number;
  readonly staleIfErrorSeconds: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

export function responseId(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 12);
}

/** Null: it is not a response, but something that belongs to one. */
export function headOf({ meta, length }: ResponseEntry): StoredHead | null {
  const head = decodeHead(meta, length);
  return head?.kind === 'response' ? head : null;
}

export function viewOf({ key, tags, storedAt, isStale, length }: ResponseEntry, head: StoredHead): ResponseView {
  const [url = '', gateway = '', ...rest] = key.split('\n');
  const now = Date.now();
  const ttl = remainingLifetime(head.policy, now);
  return {
    id: responseId(key),
    url,
    gateway,
    // The first of the rest is the generation, which says nothing to people.
    variant: rest.slice(1).join('\n').trimEnd(),
    status: head.policy.status,
    size: length,
    storedAt: new Date(storedAt).toISOString(),
    ageSeconds: Math.floor(currentAge(head.policy, now) / 1000),
    ttlSeconds: Math.floor(ttl / 1000),
    state: isStale ? 'purged' : ttl > 0 && !head.policy.mustValidate ? 'fresh' : 'stale',
    tags,
  };
}

/** Never shown: whoever looks into the cache must not be able to act as a client. */
const SECRET = new Set(['set-cookie', 'authorization', 'proxy-authorization', 'cookie']);

export function detailsOf(entry: ResponseEntry, head: StoredHead): ResponseDetails {
  const { etag, lastModified, vary, staleWhileRevalidate, staleIfError } = head.policy;
  const headers: [string, string][] = [];
  head.fields.forEach((name, value) => {
    headers.push([name, SECRET.has(name) ? '[redacted]' : value]);
  });
  return {
    ...viewOf(entry, head),
    etag,
    lastModified,
    vary,
    staleWhileRevalidateSeconds: staleWhileRevalidate / 1000,
    staleIfErrorSeconds: staleIfError / 1000,
    headers,
  };
}
