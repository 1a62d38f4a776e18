import type { FeedNews, FeedQuestion } from '../compile/feeds.ts';
import type { ResponsePurge } from '../plan/response-store.ts';
import type { GaugeSegments } from '../shared-memory/gauges.ts';
import type { LimitSegments } from '../shared-memory/limit-segments.ts';
import type { NamedSlotSegments } from '../shared-memory/named-slots.ts';
import type { ResponseSegments } from '../shared-memory/response-layout.ts';
import type { UsageSegments } from '../shared-memory/usage-segments.ts';
import type { StoresSettings } from '../stores/settings.ts';

/** What the supervisor and a worker tell each other. Everything that is counted or measured goes by shared memory. */
export interface WorkerBoot {
  readonly id: number;
  readonly control: SharedArrayBuffer;
  readonly metrics: SharedArrayBuffer;
  readonly gauges: GaugeSegments;
  readonly states: NamedSlotSegments;
  readonly limits: LimitSegments;
  readonly usage: UsageSegments;
  /** Null: there are too many workers, this one stores no responses. */
  readonly responses: ResponseSegments | null;
  /** How many purges of what machines share the main thread knows of. */
  readonly purgeCount: SharedArrayBuffer;
  readonly limitStore: SharedArrayBuffer;
  readonly stores: StoresSettings;
  /** The same in all workers of a process, and in no other one. */
  readonly instance: string;
  readonly ticketKeys: Uint8Array;
  /** Signs cookies of affinity where the configuration names no secret. */
  readonly affinityKey: Uint8Array;
  readonly draining: boolean;
  /** A Unix socket cannot be shared, so one worker has it. */
  readonly ownsUnixSockets: boolean;
}

/** A plan on its way: serialised once, in shared memory, in pieces that each take a few milliseconds to build. */
export interface PlanParcel {
  readonly version: number;
  readonly parts: readonly SharedArrayBuffer[];
}

export type ToWorker =
  | { readonly kind: 'prepare'; readonly plan: PlanParcel }
  | { readonly kind: 'commit'; readonly version: number }
  | { readonly kind: 'abandon'; readonly version: number }
  | { readonly kind: 'draining' }
  | { readonly kind: 'ticketKeys'; readonly keys: Uint8Array }
  | { readonly kind: 'feed'; readonly news: FeedNews }
  | { readonly kind: 'feedAnswered'; readonly id: number }
  | { readonly kind: 'feedOver'; readonly owner: string }
  /** Log files were moved away: go on with new ones. */
  | { readonly kind: 'reopenLogs' }
  /** Close the listeners, finish what is under way, then end. */
  | { readonly kind: 'leave' };

export type FromWorker =
  | { readonly kind: 'started' }
  | { readonly kind: 'prepared'; readonly version: number }
  | { readonly kind: 'refused'; readonly version: number; readonly refusal: Refusal }
  | { readonly kind: 'committed'; readonly version: number }
  | { readonly kind: 'feedQuestion'; readonly question: FeedQuestion }
  /** Responses were purged here: other machines have to know. */
  | { readonly kind: 'purged'; readonly purge: ResponsePurge }
  | { readonly kind: 'log'; readonly line: string };

/** Why a plan could not be prepared. */
export interface Refusal {
  /** `EADDRINUSE` and the like from the system, else null. */
  readonly code: string | null;
  readonly address: string | null;
  readonly message: string;
}
