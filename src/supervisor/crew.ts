import { randomBytes, randomUUID } from 'node:crypto';
import type { ResponsePurge } from '../plan/response-store.ts';
import type { LimitMemory } from '../shared-memory/limit-segments.ts';
import type { ResponseMemory } from '../shared-memory/response-memory.ts';
import type { UsageMemory } from '../shared-memory/usage-segments.ts';
import type { StoresSettings } from '../stores/settings.ts';
import { CellPool } from './cells.ts';
import { Exclusive } from './exclusive.ts';
import type { FeedHub } from './feed-hub.ts';
import type { PlanParcel, WorkerBoot } from './messages.ts';
import type { ProcessLog } from './process-log.ts';
import { Watchdog } from './watchdog.ts';
import { type WorkerEnd, WorkerThread } from './worker-thread.ts';

/** Waits before replacing a worker that ended by itself; the first at once, so that one bad request costs no capacity. */
const BACK_OFF_MS = [0, 50, 100, 200, 400, 800, 1_600, 3_200, 5_000] as const;
/** A worker that lived this long did not end because of how it starts. */
const SETTLED_MS = 10_000;

export interface CrewSettings {
  readonly count: number;
  readonly maxHeapMegabytes: number;
  readonly hangAfterMs: number;
  /** What a worker that is replaced while it works gets for its exchanges. */
  readonly drainTimeoutMs: number;
}

export interface CrewOptions {
  readonly script: URL;
  /** Environment of new workers. */
  env(): NodeJS.ProcessEnv;
  readonly log: ProcessLog;
  readonly ticketKeys: Uint8Array;
  readonly feeds: FeedHub;
  /** What all of them share for limits. */
  readonly limits: LimitMemory;
  readonly usage: UsageMemory;
  readonly responses: ResponseMemory;
  /** `WorkerBoot.purgeCount`. */
  readonly purgeCount: SharedArrayBuffer;
  /** A worker has purged responses. */
  purged(purge: ResponsePurge): void;
  readonly stores: StoresSettings;
  /** How many series are in use, for clearing gauges. */
  series(): { routes: number; upstreams: number };
  /** A thread that cannot be ended: only the end of the process frees what it holds. */
  stuck(worker: WorkerThread): void;
}

/** The workers: as many as asked for, all on one plan, whatever happens to each of them. */
export class Crew {
  readonly workers = new Set<WorkerThread>();
  readonly cells = new CellPool();
  /** How many ended without being asked to, by kind of end. */
  readonly lost = { crashed: 0, outOfMemory: 0, hung: 0 };
  recycled = 0;
  readonly #options: CrewOptions;
  readonly #exclusive = new Exclusive();
  readonly #watchdog: Watchdog<WorkerThread>;
  readonly #instance = randomUUID();
  readonly #affinityKey = randomBytes(32);
  #settings: CrewSettings;
  #plan: PlanParcel | null = null;
  #ticketKeys: Uint8Array;
  #nextId = 1;
  #quickEnds = 0;
  #draining = false;
  #stopping = false;

  constructor(options: CrewOptions, settings: CrewSettings) {
    this.#options = options;
    this.#settings = settings;
    this.#ticketKeys = options.ticketKeys;
    this.#watchdog = new Watchdog(this.workers, settings.hangAfterMs, {
      hung: (worker, silentMs) => void this.#end(worker, silentMs),
      full: (worker) => void this.recycle(worker),
    });
  }

  /** Those that take new connections, or soon will. */
  get members(): WorkerThread[] {
    return [...this.workers].filter((worker) => !worker.leaving);
  }

  get serving(): WorkerThread[] {
    return this.members.filter((worker) => worker.version > 0);
  }

  get settings(): CrewSettings {
    return this.#settings;
  }

  /** Exchanges and tunnels in flight. */
  get active(): number {
    let active = 0;
    for (const worker of this.workers) active += worker.vitals.active;
    return active;
  }

  /** The first plan: all workers get it or none, and a failure is the caller's to report. */
  async start(plan: PlanParcel): Promise<void> {
    await this.#exclusive.run(() => this.#fresh(plan, this.#settings));
  }

  /**
   * Puts a new plan in the place of the one being served, in two phases: when a worker cannot prepare it, nothing has
   * changed. `fresh`: by new workers, because changed modules cannot be loaded into the old ones.
   */
  async change(plan: PlanParcel, settings: CrewSettings, fresh: boolean): Promise<void> {
    const newThreads = fresh || settings.maxHeapMegabytes !== this.#settings.maxHeapMegabytes;
    await this.#exclusive.run(() => {
      if (this.#stopping) throw new Error('the process is stopping');
      return newThreads ? this.#fresh(plan, settings) : this.#same(plan, settings);
    });
  }

  setTicketKeys(keys: Uint8Array): void {
    this.#ticketKeys = keys;
    for (const worker of this.workers) worker.tell({ kind: 'ticketKeys', keys });
  }

  reopenLogs(): void {
    for (const worker of this.workers) worker.tell({ kind: 'reopenLogs' });
  }

  /** A fresh worker first, then the full one leaves: capacity never drops. */
  async recycle(worker: WorkerThread): Promise<void> {
    if (this.#stopping || worker.leaving) return;
    this.recycled += 1;
    this.#options.log.warn('worker-full', `worker ${worker.id} is near its heap limit and is replaced`, {
      worker: worker.id,
    });
    const came = await this.#bringUp(this.#spawn(this.#settings, worker.ownsUnixSockets));
    if (came) void worker.leave(this.#settings.drainTimeoutMs);
  }

  /** New requests are still served; whoever asks for readiness learns that this process is going. */
  announceDrain(): void {
    this.#draining = true;
    for (const worker of this.workers) worker.tell({ kind: 'draining' });
  }

  /** Every worker leaves. Answers how many had to be cut off. */
  async leave(patienceMs: number): Promise<number> {
    this.#stopping = true;
    let cut = 0;
    // A reload that was under way may have brought more of them meanwhile.
    while (this.workers.size > 0) {
      const ends = await Promise.all([...this.workers].map((worker) => worker.leave(patienceMs)));
      cut += ends.filter((end) => end.kind === 'terminated').length;
    }
    this.#watchdog.close();
    return cut;
  }

  /** At once, whatever is under way. False: a thread would not die. */
  async terminate(): Promise<boolean> {
    this.#stopping = true;
    this.#watchdog.close();
    const gone = await Promise.all([...this.workers].map((worker) => worker.terminate()));
    return gone.every((each) => each);
  }

  async #same(plan: PlanParcel, settings: CrewSettings): Promise<void> {
    const serving = this.serving;
    await prepareAll(serving, plan);
    this.#adopt(plan, settings);
    // A worker that ends here is replaced by one that starts with the new plan.
    await Promise.allSettled(serving.map((worker) => worker.commit(plan.version)));
    this.#fill();
    const owner = this.serving.find((worker) => worker.ownsUnixSockets);
    const others = this.serving.filter((worker) => worker !== owner);
    const kept = settings.count - (owner === undefined ? 0 : 1);
    for (const worker of others.slice(kept)) void worker.leave(settings.drainTimeoutMs);
  }

  async #fresh(plan: PlanParcel, settings: CrewSettings): Promise<void> {
    const before = this.members;
    const earlierLeavers = [...this.workers].filter((worker) => worker.leaving);
    const fresh = Array.from({ length: settings.count }, (_, index) => this.#spawn(settings, index === 0));
    try {
      await Promise.all(fresh.map((worker) => worker.started));
      await prepareAll(fresh, plan);
    } catch (error) {
      for (const worker of fresh) worker.leaving = true;
      await Promise.all(fresh.map((worker) => worker.terminate()));
      throw error;
    }
    this.#adopt(plan, settings);
    await Promise.allSettled(fresh.map((worker) => worker.commit(plan.version)));
    // Streams and tunnels of the replaced workers live on until the next such change, which bounds how many there are.
    for (const worker of before) void worker.leave(Number.POSITIVE_INFINITY);
    for (const worker of earlierLeavers) void worker.leave(settings.drainTimeoutMs);
    this.#fill();
  }

  #adopt(plan: PlanParcel, settings: CrewSettings): void {
    this.#plan = plan;
    this.#settings = settings;
    this.#watchdog.hangAfterMs = settings.hangAfterMs;
  }

  #spawn(settings: CrewSettings, ownsUnixSockets: boolean): WorkerThread {
    const cells = this.cells.take();
    const responses = this.#options.responses.admit();
    const boot: WorkerBoot = {
      id: this.#nextId++,
      ...cells,
      limits: this.#options.limits.segments,
      usage: this.#options.usage.segments,
      responses,
      purgeCount: this.#options.purgeCount,
      stores: this.#options.stores,
      instance: this.#instance,
      ticketKeys: this.#ticketKeys,
      affinityKey: this.#affinityKey,
      draining: this.#draining,
      ownsUnixSockets,
    };
    const worker = new WorkerThread(
      { script: this.#options.script, env: this.#options.env(), maxHeapMegabytes: settings.maxHeapMegabytes },
      boot,
      (line) => this.#options.log.error('worker', line, { worker: boot.id }),
      (question, asking) => void this.#options.feeds.answer(question, asking),
      (purge) => this.#options.purged(purge),
    );
    this.workers.add(worker);
    this.#options.feeds.tellAll(worker);
    void worker.ended.then((end) => {
      this.workers.delete(worker);
      const series = this.#options.series();
      this.cells.giveBack(cells, series.routes, series.upstreams);
      this.#options.limits.release(worker.id);
      this.#options.usage.release(worker.id);
      if (responses !== null) this.#options.responses.release(responses);
      if (!worker.leaving) this.#replace(worker, end);
    });
    return worker;
  }

  #replace(worker: WorkerThread, end: WorkerEnd): void {
    if (end.kind === 'outOfMemory') this.lost.outOfMemory += 1;
    else if (end.kind === 'crashed') this.lost.crashed += 1;
    this.#quickEnds = worker.age > SETTLED_MS ? 0 : this.#quickEnds + 1;
    const why = end.kind === 'crashed' ? end.message : wordsFor[end.kind];
    this.#options.log.error('worker-ended', `worker ${worker.id} ended and is replaced: ${why}`, { worker: worker.id });
    if (this.#plan === null || this.#stopping) return;
    const wait = BACK_OFF_MS[Math.min(this.#quickEnds, BACK_OFF_MS.length - 1)] as number;
    if (wait === 0) this.#fill();
    else setTimeout(() => this.#fill(), wait);
  }

  /** Brings the number of workers to what it should be. */
  #fill(): void {
    if (this.#stopping) return;
    for (let missing = this.#settings.count - this.members.length; missing > 0; missing--) {
      const orphaned = !this.members.some((worker) => worker.ownsUnixSockets);
      void this.#bringUp(this.#spawn(this.#settings, orphaned));
    }
  }

  /** From a new thread to one that serves the current plan. False: it did not come to that. */
  async #bringUp(worker: WorkerThread): Promise<boolean> {
    try {
      await worker.started;
      // Not beside a reload: a worker that it does not know would stay behind on the plan before.
      await this.#exclusive.run(async () => {
        const plan = this.#plan;
        if (plan === null || this.#stopping) return;
        await worker.prepare(plan);
        await worker.commit(plan.version);
      });
      const took = Math.round(worker.age);
      this.#options.log.info('worker-start', `worker ${worker.id} serves after ${took} ms`, { worker: worker.id });
      return true;
    } catch (error) {
      if (!worker.hasEnded) {
        this.#options.log.error('worker-start', `worker ${worker.id} could not start: ${messageOf(error)}`);
        await worker.terminate();
      }
      return false;
    }
  }

  async #end(worker: WorkerThread, silentMs: number): Promise<void> {
    this.lost.hung += 1;
    const silence = `worker ${worker.id} has not answered for ${Math.round(silentMs)} ms and is ended`;
    this.#options.log.error('worker-hung', silence, { worker: worker.id });
    if (!(await worker.terminate())) this.#options.stuck(worker);
  }
}

const wordsFor = {
  outOfMemory: 'it reached its heap limit',
  terminated: 'it hung',
  left: 'it left',
} as const;

async function prepareAll(workers: readonly WorkerThread[], plan: PlanParcel): Promise<void> {
  const outcomes = await Promise.allSettled(workers.map((worker) => worker.prepare(plan)));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed === undefined) return;
  for (const worker of workers) worker.tell({ kind: 'abandon', version: plan.version });
  throw failed.reason;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
