import { getHeapStatistics } from 'node:v8';
import type { Overload, OverloadThresholds } from '../plan/admission.ts';
import type { Priority } from '../plan/priority.ts';
import { nextLevel, shareOf } from '../semantics/shedding.ts';

const INTERVAL_MS = 100;
/** Weight of the latest observation: two late beats in a row are a trend, one is a garbage collection. */
const WEIGHT = 0.5;
const LOWEST: Priority = 2;
/** Of those who are turned away not all come back at once. */
const MIN_RETRY = 1;
const RETRY_SPREAD = 3;

export interface OverloadMeter {
  shed(priority: Priority): void;
  overloadLevel(level: number): void;
}

/** What can be observed of this thread. */
export interface Strength {
  /** Milliseconds by which the event loop was late. */
  readonly loopDelay: number;
  readonly heapShare: number;
}

/** Watches over the strength of a worker, from the first plan on that wants to know. Nothing runs before. */
export class OverloadMonitor {
  readonly #meter: OverloadMeter;
  readonly #random: () => number;
  readonly #watches = new Map<string, Watch>();
  #timer: NodeJS.Timeout | null = null;
  #due = 0;

  constructor(meter: OverloadMeter, random: () => number = Math.random) {
    this.#meter = meter;
    this.#random = random;
  }

  /** The same for equal thresholds: its level goes on over reloads. */
  watch(thresholds: OverloadThresholds): Overload {
    const name = `${thresholds.loopDelay} ${thresholds.heap}`;
    let watch = this.#watches.get(name);
    if (watch === undefined) {
      watch = new Watch(thresholds, this.#meter, this.#random);
      this.#watches.set(name, watch);
    }
    if (this.#timer === null) {
      this.#due = performance.now() + INTERVAL_MS;
      this.#timer = setInterval(() => this.#beat(), INTERVAL_MS).unref();
    }
    return watch;
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  observe(strength: Strength): void {
    let highest = 0;
    for (const watch of this.#watches.values()) {
      watch.observe(strength);
      if (watch.level > highest) highest = watch.level;
    }
    this.#meter.overloadLevel(highest);
  }

  #beat(): void {
    const now = performance.now();
    const loopDelay = Math.max(0, now - this.#due);
    this.#due = now + INTERVAL_MS;
    const { used_heap_size, heap_size_limit } = getHeapStatistics();
    this.observe({ loopDelay, heapShare: used_heap_size / heap_size_limit });
  }
}

class Watch implements Overload {
  level = 0;
  readonly #thresholds: OverloadThresholds;
  readonly #meter: OverloadMeter;
  readonly #random: () => number;
  #loopDelay = 0;

  constructor(thresholds: OverloadThresholds, meter: OverloadMeter, random: () => number) {
    this.#thresholds = thresholds;
    this.#meter = meter;
    this.#random = random;
  }

  sheds(priority: Priority): boolean {
    return this.level > 0 && this.#random() < shareOf(this.level, LOWEST - priority);
  }

  shed(priority: Priority): number {
    this.#meter.shed(priority);
    return MIN_RETRY + Math.floor(this.#random() * RETRY_SPREAD);
  }

  observe({ loopDelay, heapShare }: Strength): void {
    this.#loopDelay += (loopDelay - this.#loopDelay) * WEIGHT;
    const byDelay = this.#loopDelay / this.#thresholds.loopDelay;
    this.level = nextLevel(this.level, Math.max(byDelay, heapPressure(heapShare, this.#thresholds.heap)));
  }
}

/** A heap is never empty: what counts is how much of the room between half of the threshold and the limit is used. */
function heapPressure(share: number, threshold: number): number {
  return share <= threshold ? (share > threshold * 0.9 ? 0.75 : 0) : 1 + (share - threshold) / (1 - threshold);
}
