import { availableParallelism } from 'node:os';
import { dirname, resolve } from 'node:path';
import type { ProcessValue } from '../compile/model/process.ts';
import { noStores, type StoresSettings } from '../stores/settings.ts';
import { stateDirectoryPath } from './state-directory.ts';

/** What the configuration says about the process itself. Milliseconds, MiB. */
export interface ProcessSettings {
  readonly workers: number;
  readonly maxHeapMegabytes: number;
  /** A worker that is silent for so long is ended. */
  readonly hangAfterMs: number;
  readonly drain: { readonly delayMs: number; readonly timeoutMs: number };
  /** Null: no admin API. */
  readonly admin: AdminSettings | null;
  readonly stateDir: string;
  readonly stores: StoresSettings;
}

export interface AdminSettings {
  /** TCP: host and port; Unix: path. */
  readonly host: string | null;
  readonly port: number;
  readonly path: string | null;
  /** Further names that `Host` may carry. */
  readonly hosts: readonly string[];
}

const MEBIBYTE = 1024 * 1024;
/** What `workers: 4` leaves unsaid; the same as the model says for the long form. */
const DEFAULT_WORKER = { maxHeap: 1024 ** 3, hangAfter: 5_000 } as const;
const DEFAULT_ADMIN = { host: '127.0.0.1', port: 9900, path: null } as const;
/** Where several listeners of one port share its connections evenly (`reusePort` of `net.Server.listen`). */
const BALANCING_PLATFORMS: ReadonlySet<string> = new Set(['linux', 'freebsd', 'dragonfly', 'aix', 'sunos']);

export function processSettings(
  value: ProcessValue,
  files: readonly string[],
  env: NodeJS.ProcessEnv,
  stores: StoresSettings = noStores,
): ProcessSettings {
  const { workers, admin, drain } = value;
  const given = typeof workers === 'object' ? workers : { count: workers ?? 'auto', ...DEFAULT_WORKER };
  const directory = dirname(resolve(files[0] ?? '.'));
  const configured = value.stateDir === undefined ? null : resolve(directory, value.stateDir);
  return {
    workers: given.count === 'auto' ? automaticWorkers() : given.count,
    maxHeapMegabytes: Math.round(given.maxHeap / MEBIBYTE),
    hangAfterMs: given.hangAfter,
    drain: { delayMs: drain.delay, timeoutMs: drain.timeout },
    admin: admin === false ? null : adminSettings(admin),
    stateDir: stateDirectoryPath(configured, directory, env),
    stores,
  };
}

function adminSettings(admin: Exclude<ProcessValue['admin'], false>): AdminSettings {
  if (admin === undefined) return { ...DEFAULT_ADMIN, hosts: [] };
  const { host, port, path } = 'address' in admin ? admin.address : admin;
  return { host, port, path, hosts: 'hosts' in admin ? admin.hosts : [] };
}

function automaticWorkers(): number {
  return BALANCING_PLATFORMS.has(process.platform) ? availableParallelism() : 1;
}
