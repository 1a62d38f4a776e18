import { setTimeout as sleep } from 'node:timers/promises';
import type { LimitUse } from '../../src/plan/limiter.ts';
import { RateVerdict } from '../../src/semantics/rate.ts';
import { LimitMemory } from '../../src/shared-memory/limit-segments.ts';
import { LimitStoreCell, type LimitStoreReading } from '../../src/shared-memory/limit-store.ts';
import { SharedLimiter } from '../../src/shared-memory/shared-limiter.ts';
import { RedisLimiter } from '../../src/stores/redis-limiter.ts';
import type { RedisSettings } from '../../src/stores/settings.ts';
import { until } from '../harness.ts';

let machines = 0;

/** A gateway with one worker, as far as limits in Redis are concerned. */
export class LimitMachine implements AsyncDisposable {
  readonly problems: string[] = [];
  readonly limiter: RedisLimiter;
  readonly local: SharedLimiter;

  constructor(settings: RedisSettings, instance = `machine${machines++}`, cell = new LimitStoreCell()) {
    this.local = new SharedLimiter(new LimitMemory(4096, [machines, 7]).segments, 1);
    const problem = (message: string): void => void this.problems.push(message);
    this.limiter = new RedisLimiter({ settings, local: this.local, instance, cell, problem });
  }

  get reading(): LimitStoreReading {
    return this.limiter.cell.read();
  }

  async connected(): Promise<this> {
    await until('the store is asked', () => this.reading.state === 'closed');
    return this;
  }

  async take(use: LimitUse, key = 'key', cost = 1): Promise<RateVerdict> {
    const verdict = new RateVerdict();
    await this.limiter.take(use, key, cost, verdict);
    return verdict;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.limiter.close();
  }
}

/** Asks all the time, from several machines, until stopped. */
export class LimitLoad {
  /** Attempts that passed, that were refused, and among these by nobody who knows. */
  allowed = 0;
  refused = 0;
  unavailable = 0;
  /** The longest that any attempt waited, in milliseconds. */
  slowest = 0;
  readonly #began = performance.now();
  readonly #loops: Promise<void>[] = [];
  #isOver = false;

  constructor(machines: readonly LimitMachine[], use: LimitUse, concurrency = 8, pauseMs = 2) {
    for (const machine of machines) {
      for (let i = 0; i < concurrency; i++) this.#loops.push(this.#loop(machine, use, pauseMs));
    }
  }

  /** Milliseconds of it, when all attempts have come back. */
  async stop(): Promise<number> {
    this.#isOver = true;
    await Promise.all(this.#loops);
    return performance.now() - this.#began;
  }

  async #loop(machine: LimitMachine, use: LimitUse, pauseMs: number): Promise<void> {
    while (!this.#isOver) {
      const began = performance.now();
      const { allowed, unavailable } = await machine.take(use);
      this.slowest = Math.max(this.slowest, performance.now() - began);
      if (allowed) this.allowed++;
      else this.refused++;
      if (unavailable) this.unavailable++;
      await sleep(pauseMs);
    }
  }
}
