import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type AdaptiveBounds, type AdaptiveState, adapt, LatencyWindow, newAdaptiveState } from './adaptive-limit.ts';

/** A service that does so many things at once, each in its time, and lets the rest wait; the clock jumps from event to event. */
class Simulation {
  readonly state: AdaptiveState;
  now = 0;
  slots: number;
  serviceMs: number;
  done = 0;
  lowest = Number.POSITIVE_INFINITY;
  highest = 0;
  readonly #bounds: AdaptiveBounds;
  readonly #window = new LatencyWindow(0);
  #nextArrival = 0;
  /** When each of the service's slots is free, and when each call under way ends. */
  #underWay: { beganAt: number; endsAt: number }[] = [];
  #random = 1;

  constructor(bounds: AdaptiveBounds, initial: number, slots: number, serviceMs: number) {
    this.#bounds = bounds;
    this.slots = slots;
    this.serviceMs = serviceMs;
    this.state = newAdaptiveState(initial);
  }

  /** Arrivals beyond the limit are turned away. */
  run(milliseconds: number, perSecond: number): void {
    const end = this.now + milliseconds;
    this.#nextArrival = Math.max(this.#nextArrival, this.now);
    while (this.now < end) {
      const first = this.#underWay[0];
      if (first !== undefined && first.endsAt <= this.#nextArrival) {
        this.now = first.endsAt;
        this.#underWay.shift();
        this.#ended(first.beganAt);
      } else {
        this.now = this.#nextArrival;
        this.#nextArrival += 1_000 / perSecond;
        this.#arrive();
      }
    }
  }

  #arrive(): void {
    if (this.#underWay.length >= Math.floor(this.state.limit)) return;
    // It begins when all but the others in the slots are through.
    const ahead = this.#underWay[this.#underWay.length - this.slots];
    const begins = Math.max(this.now, ahead?.endsAt ?? 0);
    const entry = { beganAt: this.now, endsAt: begins + this.serviceMs * this.#jitter() };
    const at = this.#underWay.findIndex(({ endsAt }) => endsAt > entry.endsAt);
    this.#underWay.splice(at < 0 ? this.#underWay.length : at, 0, entry);
    this.#window.began(this.#underWay.length);
  }

  #ended(beganAt: number): void {
    this.done++;
    this.#window.answered(beganAt, this.now);
    if (!this.#window.isComplete(this.now)) return;
    adapt(this.state, this.#bounds, this.#window.read(), this.now);
    this.#window.restart(this.now);
    this.lowest = Math.min(this.lowest, this.state.limit);
    this.highest = Math.max(this.highest, this.state.limit);
  }

  #jitter(): number {
    this.#random = (this.#random * 16_807) % 2_147_483_647;
    return 0.9 + (this.#random / 2_147_483_647) * 0.2;
  }
}

const bounds: AdaptiveBounds = { min: 1, max: 1_000, tolerance: 1.5 };

/** Calls a second. */
function goodput(simulation: Simulation, milliseconds: number, perSecond: number): number {
  const before = simulation.done;
  simulation.run(milliseconds, perSecond);
  return ((simulation.done - before) * 1_000) / milliseconds;
}

describe('a limit that follows the latency', () => {
  test('finds what a service can do, and keeps it busy under four times as much', () => {
    const simulation = new Simulation(bounds, 4, 50, 10);
    simulation.run(5_000, 20_000);
    const capacity = (50 / 10) * 1_000;
    assert.ok(goodput(simulation, 60_000, 20_000) > capacity * 0.95);
    assert.ok(simulation.state.limit > 45 && simulation.state.limit < 150, `limit ${simulation.state.limit}`);
  });

  test('stays where it is while little is asked for', () => {
    const simulation = new Simulation(bounds, 20, 50, 10);
    simulation.run(30_000, 200);
    assert.ok(simulation.state.limit >= 15 && simulation.state.limit < 40, `limit ${simulation.state.limit}`);
    // Each one was let in.
    assert.ok(goodput(simulation, 10_000, 200) > 195);
  });

  test('shrinks when the service loses slots, and recovers when they are back', () => {
    const simulation = new Simulation(bounds, 20, 50, 10);
    simulation.run(10_000, 20_000);
    simulation.slots = 10;
    simulation.run(10_000, 20_000);
    const small = simulation.state.limit;
    assert.ok(small < 35, `limit ${small} for 10 slots`);
    assert.ok(goodput(simulation, 10_000, 20_000) > 900);
    simulation.slots = 50;
    simulation.run(5_000, 20_000);
    assert.ok(goodput(simulation, 10_000, 20_000) > 4_700);
  });

  test('learns that a service has become slower, and faster again', () => {
    const simulation = new Simulation(bounds, 20, 50, 10);
    simulation.run(10_000, 20_000);
    simulation.serviceMs = 100;
    simulation.run(5_000, 20_000);
    assert.ok(goodput(simulation, 20_000, 20_000) > 450, 'it has 500 a second');
    simulation.serviceMs = 10;
    simulation.run(10_000, 20_000);
    assert.ok(goodput(simulation, 10_000, 20_000) > 4_700);
  });

  test('does not grow over hours of overload, however long the queue makes answers take', () => {
    const simulation = new Simulation(bounds, 20, 20, 20);
    simulation.run(600_000, 4_000);
    assert.ok(simulation.state.limit < 80, `limit ${simulation.state.limit} for 20 slots`);
  });

  test('goes down while the service says that it is too busy', () => {
    const state: AdaptiveState = { ...newAdaptiveState(100), base: 10 };
    for (let i = 1; i <= 20; i++) adapt(state, bounds, { latency: 1, dropped: 0.5, peak: 50 }, i * 100);
    assert.ok(state.limit < 5);
    assert.equal(state.base, 10, 'how fast it refuses is no measure of how fast it answers');
  });

  test('is never above its bound nor below, whatever the service does, and serves again in the end', () => {
    const phase = fc.record({
      slots: fc.integer({ min: 1, max: 60 }),
      serviceMs: fc.integer({ min: 1, max: 200 }),
      perSecond: fc.integer({ min: 1, max: 3_000 }),
    });
    fc.assert(
      fc.property(
        fc.array(phase, { minLength: 1, maxLength: 4 }),
        fc.record({ min: fc.integer({ min: 1, max: 4 }), span: fc.integer({ min: 0, max: 50 }) }),
        (phases, { min, span }) => {
          const own: AdaptiveBounds = { min, max: min + span, tolerance: 1.5 };
          const simulation = new Simulation(own, min, 1, 1);
          for (const { slots, serviceMs, perSecond } of phases) {
            simulation.slots = slots;
            simulation.serviceMs = serviceMs;
            simulation.run(3_000, perSecond);
          }
          assert.ok(simulation.lowest >= own.min && simulation.highest <= own.max);
          const before = simulation.done;
          simulation.run(3_000, 100);
          assert.ok(simulation.done > before);
        },
      ),
      { numRuns: 40 },
    );
  });
});
