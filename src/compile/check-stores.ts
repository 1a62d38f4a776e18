import type { KeyPath } from '../config/key-path.ts';
import { noStores, type RedisServer, type RedisSettings, type StoresSettings } from '../stores/settings.ts';
import { clientTlsOf } from './check-client-tls.ts';
import type { CheckContext } from './check-context.ts';
import { itemPath } from './check-process.ts';
import type { RedisUrl } from './model/redis-url.ts';
import type { SharedStoreValue, StoresValue } from './model/stores.ts';

const SHARED: KeyPath = ['stores', 'shared'];

/** The stores of a document with their files read; none after an error. */
export function checkStores(stores: StoresValue | undefined, context: CheckContext): StoresSettings {
  const shared = stores?.shared;
  const { local = noStores.local } = stores ?? {};
  return { local, shared: shared === undefined ? null : checkShared(shared, context) };
}

function checkShared(value: SharedStoreValue, context: CheckContext): RedisSettings | null {
  const kinds = (['redis', 'cluster', 'sentinel'] as const).filter((kind) => value[kind] !== undefined);
  const [kind] = kinds;
  if (kind === undefined) {
    const remedy = 'Add `redis: redis://127.0.0.1:6379`, `cluster` or `sentinel`.';
    context.keyError('missing-server', 'this store has no server', remedy, SHARED);
    return null;
  }
  if (kinds.length > 1) {
    const message = `one store is reached in one way, not by ${kinds.map((each) => `\`${each}\``).join(' and ')}`;
    context.keyError('conflicting-settings', message, 'Keep one of them.', SHARED);
    return null;
  }
  const single = value.redis;
  const urls = single === undefined ? checkNodes(value, kind, context) : [single];
  const first = urls[0];
  if (first === undefined) return null;
  checkOnce(value, single, context);
  checkTls(value, urls, kind, context);
  return {
    kind: kind === 'redis' ? 'single' : kind,
    servers: urls.map(({ host, port, path }): RedisServer => ({ host, port, path })),
    tls: first.tls ? tlsOf(value, context) : null,
    username: value.username ?? single?.username ?? null,
    password: value.password ?? single?.password ?? null,
    database: value.database ?? single?.database ?? 0,
    sentinel: sentinelOf(value),
    prefix: value.prefix,
    timeout: value.timeout,
    onFailure: value.onFailure,
    cache: value.cache === false ? null : value.cache,
  };
}

/** Of a cluster or sentinels: what is the same for all of them is said beside them. */
function checkNodes(
  value: SharedStoreValue,
  kind: 'redis' | 'cluster' | 'sentinel',
  context: CheckContext,
): RedisUrl[] {
  const [urls, path]: [RedisUrl[], KeyPath] =
    kind === 'sentinel'
      ? [value.sentinel?.nodes ?? [], [...SHARED, 'sentinel', 'nodes']]
      : [value.cluster ?? [], [...SHARED, 'cluster']];
  if (urls.length === 0) context.error('missing-server', 'this list is empty', 'Add the URL of a node.', path);
  for (const [index, { path: socket, username, password, database }] of urls.entries()) {
    const at = itemPath(context, path, index);
    if (socket !== null) {
      context.error('wrong-value', 'nodes are found by host and port', 'Write `redis://host:port`.', at);
    } else if (username !== null || password !== null || database !== 0) {
      const remedy = 'Set `username`, `password` and `database` beside them, once for all.';
      context.error('wrong-value', 'URLs of nodes have neither credentials nor a database', remedy, at);
    }
  }
  if (kind === 'cluster' && (value.database ?? 0) !== 0) {
    const remedy = 'Remove it; `prefix` keeps installations apart.';
    context.error('wrong-value', 'a cluster has only the database 0', remedy, [...SHARED, 'database']);
  }
  return urls;
}

function checkOnce(value: SharedStoreValue, url: RedisUrl | undefined, context: CheckContext): void {
  for (const name of ['username', 'password', 'database'] as const) {
    if (value[name] === undefined || !url?.[name]) continue;
    context.keyError('conflicting-settings', `the URL says the ${name} too`, 'Say it in one place.', [...SHARED, name]);
  }
}

function checkTls(value: SharedStoreValue, urls: readonly RedisUrl[], kind: string, context: CheckContext): void {
  const secure = urls.filter(({ tls }) => tls).length;
  if (secure > 0 && secure < urls.length) {
    const remedy = 'Write `rediss:` everywhere, or nowhere.';
    context.error('wrong-value', 'some of these nodes speak TLS and some do not', remedy, [...SHARED, kind]);
  }
  if (secure === 0 && value.tls !== undefined) {
    const remedy = 'Write `rediss:` in the URL, or remove `tls`.';
    context.keyWarning('unused-setting', 'this store does not speak TLS', remedy, [...SHARED, 'tls']);
  }
}

function tlsOf({ tls }: SharedStoreValue, context: CheckContext): RedisSettings['tls'] {
  if (tls !== undefined) return clientTlsOf(tls, [...SHARED, 'tls'], context);
  return { verify: true, ca: null, certificate: null, key: null, serverName: null };
}

function sentinelOf({ sentinel }: SharedStoreValue): RedisSettings['sentinel'] {
  if (sentinel === undefined) return null;
  const { master, username = null, password = null } = sentinel;
  return { master, username, password };
}
