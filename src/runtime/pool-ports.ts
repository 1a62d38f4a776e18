import type { Feed } from '../plan/feed.ts';
import type { WorkerCell } from '../shared-memory/metrics.ts';
import type { NamedSlots } from '../shared-memory/named-slots.ts';

/** What a pool counts with. */
export type UpstreamMeter = Pick<
  WorkerCell,
  | 'callStarted'
  | 'callEnded'
  | 'callRetried'
  | 'upstreamError'
  | 'upstreamConnectionOpened'
  | 'upstreamConnectionClosed'
>;

/** What a pool needs beside its options, once it does more than to ask its endpoints in turn. */
export interface PoolPorts {
  /** Where all workers keep what they know about endpoints. */
  readonly states: NamedSlots;
  /** Signs cookies of affinity where the configuration names no secret; the same in all workers. */
  readonly secret: Uint8Array;
  feed<V>(owner: string, name: string): Feed<V>;
  /** One line for the process's log. */
  report(line: string): void;
}
