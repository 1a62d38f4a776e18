import { REVOCATIONS } from '../compile/open-identifier.ts';
import type { Records } from '../plan/records.ts';
import type { Registry } from '../plan/registry.ts';
import type { UsageStore } from '../plan/usage.ts';
import type { UsageMemory } from '../shared-memory/usage-segments.ts';
import type { FeedHub } from './feed-hub.ts';
import type { KeyDirectory } from './key-directory.ts';
import { KeyDesk } from './keys.ts';
import { RevocationDesk } from './revocations.ts';
import type { ProcessSettings } from './settings.ts';
import { Supervision } from './supervision.ts';
import { UsageDesk } from './usage.ts';

/** Opens the place of keys and revocations; it comes back at once, whether that can be reached or not. */
export type OpenRecords = (
  settings: ProcessSettings['stores'],
  stateDirectory: string | null,
  problem: (message: string) => void,
) => Records;

/** The same for what callers used of their quotas. */
export type OpenUsage = (...of: Parameters<OpenRecords>) => UsageStore;

export interface BackgroundOptions {
  readonly registry: Registry;
  readonly feeds: FeedHub;
  readonly records: OpenRecords;
  readonly usage: OpenUsage;
  readonly usageMemory: UsageMemory;
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
  readonly usage: UsageDesk;

  constructor(options: BackgroundOptions) {
    const { registry, feeds, records, settings, stateDirectory, keyDirectory, problem } = options;
    this.records = records(settings.stores, stateDirectory, problem);
    this.revocations = new RevocationDesk(
      this.records,
      feeds.publisher(REVOCATIONS.owner, REVOCATIONS.name, null),
      problem,
    );
    this.keys = new KeyDesk({ records: this.records, stateDirectory, directory: keyDirectory });
    this.supervision = new Supervision({ registry, feeds, records: this.records, stateDirectory, problem });
    this.usage = new UsageDesk({
      memory: options.usageMemory,
      openStore: () => options.usage(settings.stores, stateDirectory, problem),
      problem,
    });
  }

  async close(): Promise<void> {
    this.supervision.close();
    this.revocations.close();
    await this.usage.close();
    await this.records.close();
  }
}
