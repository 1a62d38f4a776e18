import { performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';

/** How a worker is, in shared memory: a thread that hangs cannot send a message, and need not. */
export const workerStates = ['starting', 'serving', 'draining', 'ended'] as const;
export type WorkerState = (typeof workerStates)[number];

const BEAT = 0;
const STATE = 1;
const WHOLE_FIELDS = 16;
const HEAP_USED = 8;
const HEAP_LIMIT = 9;
const LOOP_DELAY = 10;
const LOOP_USE = 11;
const ACTIVE = 12;
const OVERLOAD = 13;
const CONTROL_BYTES = 128;

export interface WorkerVitals {
  beat: number;
  state: WorkerState;
  heapUsed: number;
  heapLimit: number;
  /** By how much the latest beat came too late, in milliseconds. */
  loopDelay: number;
  /** Busy fraction of the event loop since the beat before. */
  loopUse: number;
  /** Exchanges and tunnels in flight. */
  active: number;
  /** How much of what is asked for is turned away: 0 nothing, 1 all of low priority, 2 all of normal priority too. */
  overload: number;
}

export class ControlCell {
  readonly buffer: SharedArrayBuffer;
  readonly #whole: Int32Array;
  readonly #numbers: Float64Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(CONTROL_BYTES)) {
    this.buffer = buffer;
    this.#whole = new Int32Array(buffer, 0, WHOLE_FIELDS);
    this.#numbers = new Float64Array(buffer);
  }

  setState(state: WorkerState): void {
    Atomics.store(this.#whole, STATE, workerStates.indexOf(state));
  }

  beat(loopDelay: number, loopUse: number, active: number): void {
    const heap = getHeapStatistics();
    this.#numbers[HEAP_USED] = heap.used_heap_size;
    this.#numbers[HEAP_LIMIT] = heap.heap_size_limit;
    this.#numbers[LOOP_DELAY] = loopDelay;
    this.#numbers[LOOP_USE] = loopUse;
    this.#numbers[ACTIVE] = active;
    Atomics.add(this.#whole, BEAT, 1);
  }

  setOverload(level: number): void {
    this.#numbers[OVERLOAD] = level;
  }

  read(): WorkerVitals {
    return {
      beat: Atomics.load(this.#whole, BEAT),
      state: workerStates[Atomics.load(this.#whole, STATE)] ?? 'ended',
      heapUsed: this.#numbers[HEAP_USED] as number,
      heapLimit: this.#numbers[HEAP_LIMIT] as number,
      loopDelay: this.#numbers[LOOP_DELAY] as number,
      loopUse: this.#numbers[LOOP_USE] as number,
      active: this.#numbers[ACTIVE] as number,
      overload: this.#numbers[OVERLOAD] as number,
    };
  }

  /** For the supervisor, before a new worker takes the cell. */
  reset(): void {
    this.#numbers.fill(0);
  }
}

/** Beats until closed; a thread that is stuck stops beating, and that is the point. */
export function startHeartbeat(cell: ControlCell, intervalMs: number, active: () => number): { close(): void } {
  let use = performance.eventLoopUtilization();
  let due = performance.now() + intervalMs;
  const beat = (): void => {
    const now = performance.now();
    const sinceThen = performance.eventLoopUtilization(use);
    use = performance.eventLoopUtilization();
    cell.beat(Math.max(0, now - due), sinceThen.utilization, active());
    due = now + intervalMs;
  };
  cell.beat(0, 0, active());
  const timer = setInterval(beat, intervalMs).unref();
  return { close: () => clearInterval(timer) };
}
