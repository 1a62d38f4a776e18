import { REVOCATIONS } from '../compile/open-identifier.ts';
import type { Records } from '../plan/records.ts';
import type { Registry } from '../plan/registry.ts';
import { PURGES_FEED, type PurgeListener, type PurgeLog } from '../plan/shared-responses.ts';
import type { UsageStore } from '../plan/usage.ts';
import type { NamedSlots } from '../shared-memory/named-slots.ts';
import type { ResponseMemory } from '../shared-memory/response-memory.ts';
import type { UsageMemory } from '../shared-memory/usage-segments.ts';
import type { FeedHub } from './feed-hub.ts';
import type { KeyDirectory } from './key-directory.ts';
import { KeyDesk } from './keys.ts';
import { ResponseDesk } from './responses.ts';
import { RevocationDesk } from './revocations.ts';
import type { ProcessSettings } from './settings.ts';
import { SharedPurges } from './shared-purges.ts';
import { Supervision } from './supervision.ts';
import { loadReader } from './upstreams/load-reader.ts';
import { UpstreamDesk } from './upstreams/upstream-desk.ts';
import { UsageDesk } from './usage.ts';

/** Opens the place of keys and revocations; it comes back at once, whether that can be reached or not. */
export type OpenRecords = (
  settings: ProcessSettings['stores'],
  stateDirectory: string | null,
  problem: (message: string) => void,
) => Records;

/** The same for what callers used of their quotas. */
export type OpenUsage = (...of: Parameters<OpenRecords>) => UsageStore;

/** The purges of all machines; null: there are no others. */
export type OpenPurgeLog = (
  settings: ProcessSettings['stores'],
  listener: PurgeListener,
  problem: (message: string) => void,
) => PurgeLog | null;

export interface BackgroundOptions {
  readonly registry: Registry;
  readonly feeds: FeedHub;
  readonly records: OpenRecords;
  readonly usage: OpenUsage;
  readonly usageMemory: UsageMemory;
  readonly purgeLog: OpenPurgeLog;
  readonly responses: ResponseMemory;
  /** `WorkerBoot.purgeCount`. */
  readonly purgeCount: SharedArrayBuffer;
  /** What workers write down about endpoints and breakers. */
  readonly states: NamedSlots;
  readonly settings: ProcessSettings;
  readonly stateDirectory: string | null;
  /** For whom keys can be made, by the configuration in service. */
  keyDirectory(): KeyDirectory;
  problem(message: string): void;
}

/** What the main thread keeps for the workers beside their plans, from the start of the process to its end. */
export class Background {
  readonly records: Records;
  readonly revocations: RevocationDesk;
  readonly keys: KeyDesk;
  readonly supervision: Supervision;
  readonly upstreams: UpstreamDesk;
  readonly usage: UsageDesk;
  readonly responses: ResponseDesk;

  constructor(options: BackgroundOptions) {
    const { registry, feeds, records, settings, stateDirectory, keyDirectory, problem } = options;
    this.records = records(settings.stores, stateDirectory, problem);
    this.revocations = new RevocationDesk(
      this.records,
      feeds.publisher(REVOCATIONS.owner, REVOCATIONS.name, null),
      problem,
    );
    this.keys = new KeyDesk({ records: this.records, stateDirectory, directory: keyDirectory });
    this.upstreams = new UpstreamDesk(loadReader(options.states));
    const { upstreams } = this;
    this.supervision = new Supervision({ registry, feeds, records: this.records, stateDirectory, upstreams, problem });
    this.usage = new UsageDesk({
      memory: options.usageMemory,
      openStore: () => options.usage(settings.stores, stateDirectory, problem),
      problem,
    });
    const isShared = settings.stores.shared !== null && settings.stores.shared.cache !== null;
    const publisher = isShared ? feeds.publisher<unknown>(PURGES_FEED.owner, PURGES_FEED.name, null) : null;
    this.responses = new ResponseDesk({
      memory: options.responses,
      sharedPurges: publisher === null ? null : new SharedPurges(publisher, options.purgeCount),
      openLog: (listener) => options.purgeLog(settings.stores, listener, problem),
      problem,
    });
  }

  async close(): Promise<void> {
    this.supervision.close();
    this.revocations.close();
    await this.responses.close();
    await this.usage.close();
    await this.records.close();
  }
}
