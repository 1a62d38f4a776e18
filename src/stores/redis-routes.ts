import type { LimitBatch } from './limit-batch.ts';
import { type LaneOwner, RedisLane } from './redis-lane.ts';
import { askSentinels } from './redis-wire.ts';
import type { RespError } from './resp.ts';
import type { RedisServer, RedisSettings } from './settings.ts';

/** Which server has which key. */
export interface RedisRoutes {
  /** All that there are. */
  readonly lanes: Iterable<RedisLane>;
  /** False: there may be others that we do not know yet. */
  readonly isComplete: boolean;
  /** 0 where all keys are in one place. */
  slotOf(keyName: string): number;
  laneFor(slot: number): RedisLane;
  redirect(batch: LimitBatch, error: RespError): boolean;
  /** A server said that it does not have a key. */
  moved(): void;
  /** Every second or so. */
  tick(): void;
  close(): void;
}

/** One server at a time: the one that is configured, the next one when it is away, or whom the sentinels name. */
export class SingleRoute implements RedisRoutes {
  readonly lanes: readonly RedisLane[];
  readonly isComplete = true;
  readonly #lane: RedisLane;

  constructor(owner: LaneOwner) {
    this.#lane = new RedisLane(owner, finder(owner.settings));
    this.lanes = [this.#lane];
  }

  slotOf(): number {
    return 0;
  }

  laneFor(): RedisLane {
    return this.#lane;
  }

  /** This is a node of a cluster that the configuration takes for a server on its own. */
  redirect(): boolean {
    return false;
  }

  moved(): void {}
  tick(): void {}

  close(): void {
    this.#lane.close();
  }
}

function finder(settings: RedisSettings): () => Promise<RedisServer> {
  if (settings.kind === 'sentinel') return () => askSentinels(settings);
  let next = 0;
  return async () => {
    const server = settings.servers[next++ % settings.servers.length];
    if (server === undefined) throw new Error('no server is configured');
    return server;
  };
}
