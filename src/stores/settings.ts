import type { UpstreamTls } from '../plan/upstream.ts';

/** What the configuration says about stores, resolved: files are read, URLs are taken apart. */
export interface StoresSettings {
  readonly local: LocalSettings;
  /** What several machines share; null: each is on its own. */
  readonly shared: RedisSettings | null;
}

/** What a process keeps in its own shared memory. */
export interface LocalSettings {
  /** Keys of limits that may be at work at once. */
  readonly buckets: number;
  /** Bytes for stored responses and all that belongs to them. */
  readonly cache: number;
}

/** Without a word in the configuration. Memory is used only where something comes to lie: 32 bytes for each bucket. */
export const noStores: StoresSettings = { local: { buckets: 2 ** 20, cache: 64 * 1024 ** 2 }, shared: null };

/** Redis 6.2 or later, or Valkey: one server, a cluster, or servers that sentinels watch over. */
export interface RedisSettings {
  readonly kind: 'single' | 'cluster' | 'sentinel';
  /** Where to begin: the server, nodes of the cluster, or the sentinels. */
  readonly servers: readonly RedisServer[];
  readonly tls: UpstreamTls | null;
  readonly username: string | null;
  readonly password: string | null;
  readonly database: number;
  /** Null unless `kind` is `sentinel`. */
  readonly sentinel: SentinelSettings | null;
  /** Begins every key and channel. */
  readonly prefix: string;
  /** Milliseconds that a request may wait for it. */
  readonly timeout: number;
  /** What requests that would need it get while it is out of reach: what this machine knows, passage, or 503. */
  readonly onFailure: 'local' | 'allow' | 'deny';
  /** What of the responses that the machines store they share; null: purges only. */
  readonly cache: SharedCacheSettings | null;
}

export interface SharedCacheSettings {
  /** Bytes of one response. */
  readonly maxObject: number;
  /** Milliseconds. */
  readonly maxLifetime: number;
}

export interface RedisServer {
  readonly host: string;
  readonly port: number;
  /** Of a Unix socket; host and port mean nothing then. */
  readonly path: string | null;
}

export interface SentinelSettings {
  /** Name under which the sentinels know the servers. */
  readonly master: string;
  readonly username: string | null;
  readonly password: string | null;
}

export function formatServer({ host, port, path }: RedisServer): string {
  if (path !== null) return `unix:${path}`;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
