import type { WorkerThread } from './worker-thread.ts';

const CHECK_MS = 250;
/** Modules are loaded and compiled before the first heartbeat. */
const START_PATIENCE_MS = 60_000;
/** Past this share of its heap a worker is replaced while it still works. */
const HEAP_SHARE = 0.8;
/** In a row, so that garbage that merely awaits its collection does not count. */
const HEAP_CHECKS = 4;
/** A worker that is full so soon would be full again at once: replacing it helps nobody. */
const HEAP_GRACE_MS = 30_000;

interface Watched {
  beat: number;
  changedAt: number;
  fullChecks: number;
  reported: boolean;
}

export type WatchedWorker = Pick<WorkerThread, 'vitals' | 'leaving' | 'age'>;

export interface WatchdogReports<W> {
  hung(worker: W, silentMs: number): void;
  full(worker: W): void;
}

/** Finds workers that hang, or that are about to run out of heap, by what they show in shared memory. */
export class Watchdog<W extends WatchedWorker> {
  readonly #workers: ReadonlySet<W>;
  readonly #reports: WatchdogReports<W>;
  readonly #watched = new WeakMap<W, Watched>();
  readonly #timer: NodeJS.Timeout;
  hangAfterMs: number;
  readonly #clock: () => number;
  #checkedAt: number;

  constructor(
    workers: ReadonlySet<W>,
    hangAfterMs: number,
    reports: WatchdogReports<W>,
    clock: () => number = () => performance.now(),
  ) {
    this.#clock = clock;
    this.#checkedAt = clock();
    this.#workers = workers;
    this.#reports = reports;
    this.hangAfterMs = hangAfterMs;
    this.#timer = setInterval(() => this.#check(), CHECK_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #check(): void {
    const now = this.#clock();
    // When this thread itself did not run (a paused machine, a stopped process), the others' silence means nothing.
    const excused = Math.max(0, now - this.#checkedAt - 2 * CHECK_MS);
    this.#checkedAt = now;
    for (const worker of this.#workers) {
      const { beat, heapUsed, heapLimit } = worker.vitals;
      let watched = this.#watched.get(worker);
      if (watched === undefined) {
        watched = { beat, changedAt: now, fullChecks: 0, reported: false };
        this.#watched.set(worker, watched);
      }
      watched.changedAt = watched.beat === beat ? watched.changedAt + excused : now;
      watched.beat = beat;
      if (watched.reported) continue;
      const silent = now - watched.changedAt;
      if (silent > (beat === 0 ? START_PATIENCE_MS : this.hangAfterMs)) {
        watched.reported = true;
        this.#reports.hung(worker, silent);
        continue;
      }
      watched.fullChecks = heapUsed > heapLimit * HEAP_SHARE ? watched.fullChecks + 1 : 0;
      if (watched.fullChecks >= HEAP_CHECKS && !worker.leaving && worker.age > HEAP_GRACE_MS) {
        watched.fullChecks = 0;
        this.#reports.full(worker);
      }
    }
  }
}
