import { CLUSTER_SLOTS, readRedirection, readSlots, type SlotRange, slotOfKey } from './cluster-slots.ts';
import type { LimitBatch } from './limit-batch.ts';
import { Inquiry } from './question-deadlines.ts';
import { type LaneOwner, RedisLane } from './redis-lane.ts';
import type { RedisRoutes } from './redis-routes.ts';
import { type RespError, respCommand } from './resp.ts';
import { formatServer, type RedisServer } from './settings.ts';

const NOWHERE: RedisServer = { host: '', port: 0, path: null };
const QUESTION = respCommand('CLUSTER', 'SLOTS');

/** A lane to every server of a cluster that has keys. Who has which is learnt from them, and again when they say so. */
export class ClusterRoutes implements RedisRoutes {
  readonly #owner: LaneOwner;
  readonly #lanes = new Map<string, RedisLane>();
  readonly #bySlot: (RedisLane | null)[] = new Array(CLUSTER_SLOTS).fill(null);
  /** Those that have keys, as last learnt; null: nothing is known yet. */
  #owners: ReadonlySet<RedisLane> | null = null;
  #isAsking = false;

  constructor(owner: LaneOwner) {
    this.#owner = owner;
    this.#knock();
  }

  get lanes(): Iterable<RedisLane> {
    return this.#owners ?? this.#lanes.values();
  }

  get isComplete(): boolean {
    return this.#owners !== null;
  }

  slotOf(keyName: string): number {
    return slotOfKey(keyName);
  }

  /** Where nothing is known, any server that works: it knows. */
  laneFor(slot: number): RedisLane {
    return this.#bySlot[slot] ?? this.#anyLane();
  }

  redirect(batch: LimitBatch, error: RespError): boolean {
    const target = readRedirection(error, NOWHERE);
    if (target === null || target.server.host === '') return false;
    const lane = this.#laneTo(target.server);
    if (!target.isAsk) {
      this.#bySlot[target.slot] = lane;
      this.#learn();
    }
    return lane.resend(batch, target.isAsk);
  }

  moved(): void {
    this.#learn();
  }

  tick(): void {
    let works = 0;
    for (const { isReady } of this.lanes) if (isReady) works++;
    if (works === 0) this.#knock();
    // One that is away may have been replaced.
    if (this.#owners === null || works < this.#owners.size) this.#learn();
  }

  close(): void {
    for (const lane of this.#lanes.values()) lane.close();
  }

  /** The servers that the configuration names may be others than those that we were sent to. */
  #knock(): void {
    for (const server of this.#owner.settings.servers) this.#laneTo(server);
  }

  #anyLane(): RedisLane {
    let any: RedisLane | null = null;
    for (const lane of this.#lanes.values()) {
      if (lane.isReady) return lane;
      any = lane;
    }
    if (any === null) throw new Error('a cluster without servers');
    return any;
  }

  #laneTo(server: RedisServer): RedisLane {
    const name = formatServer(server);
    let lane = this.#lanes.get(name);
    if (lane === undefined) {
      lane = new RedisLane(this.#owner, async () => server);
      this.#lanes.set(name, lane);
    }
    return lane;
  }

  #learn(): void {
    const lane = this.#anyLane();
    const { server } = lane;
    if (this.#isAsking || server === null || !lane.isReady) return;
    this.#isAsking = true;
    const inquiry = new Inquiry((reply) => {
      this.#isAsking = false;
      const ranges = reply === 'late' || reply === 'lost' ? null : readSlots(reply, server);
      // A node that has none is about to leave the cluster or to join it.
      if (ranges !== null && ranges.length > 0) this.#adopt(ranges);
    });
    lane.send(QUESTION, inquiry);
  }

  #adopt(ranges: readonly SlotRange[]): void {
    const owners = new Set<RedisLane>();
    this.#bySlot.fill(null);
    for (const { first, last, server } of ranges) {
      const lane = this.#laneTo(server);
      owners.add(lane);
      this.#bySlot.fill(lane, first, last + 1);
    }
    this.#owners = owners;
    for (const [name, lane] of this.#lanes) {
      if (owners.has(lane)) continue;
      this.#lanes.delete(name);
      lane.close();
    }
    this.#owner.changed(null);
  }
}
