import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { TestStates } from '../../test/support/states.ts';
import {
  type Circuit,
  type CircuitChange,
  type CircuitOptions,
  type Outcome,
  outcome,
  REFUSED,
} from '../plan/breaker.ts';
import { type CircuitRules, hasRecovered, openTime, tripsOn } from '../semantics/circuit.ts';
import { breakerName, SharedCircuits } from './breaker.ts';
import { type BreakerReading, orderBreaker, readBreakers } from './breaker-view.ts';
import type { NamedSlots } from './named-slots.ts';

const NAME = 'upstream:orders';
const START = 1_000_000;

const rules: CircuitRules = {
  errorRate: 0.5,
  slowRate: 0.5,
  minimumCalls: 4,
  window: 1_000,
  consecutiveFailures: 0,
  openFor: 500,
  maxOpenFor: 2_000,
  probes: 2,
};

/** A process with some workers that have one circuit breaker. */
class Process {
  readonly states = new TestStates();
  readonly main: NamedSlots;
  readonly workers: { slots: NamedSlots; circuit: Circuit }[] = [];
  readonly changes: CircuitChange[] = [];
  readonly options: CircuitOptions;
  now = START;

  constructor(workers: number, changes: Partial<CircuitRules> = {}) {
    this.options = { scope: { kind: 'upstream', name: 'orders' }, rules: { ...rules, ...changes } };
    this.main = this.states.worker();
    for (let i = 0; i < workers; i++) this.add();
  }

  add(options = this.options): Circuit {
    const slots = this.states.worker();
    const circuit = new SharedCircuits(slots, () => this.now).open(options, (change) => this.changes.push(change));
    this.workers.push({ slots, circuit });
    return circuit;
  }

  worker(index: number): Circuit {
    return (this.workers[index] as (typeof this.workers)[number]).circuit;
  }

  get reading(): BreakerReading {
    const [reading] = readBreakers(this.main, this.now);
    if (reading === undefined) throw new Error('there is no breaker');
    return reading;
  }

  call(index: number, result: Outcome, isSlow = false): number {
    const circuit = this.worker(index);
    const token = circuit.admit();
    if (token !== REFUSED) circuit.settle(token, result, isSlow);
    return token;
  }

  fail(times: number, index = 0): void {
    for (let i = 0; i < times; i++) this.call(index, outcome.failure);
  }
}

/** The same by the book: one thread, one list of everything that happened. */
class Model {
  state: 'closed' | 'open' | 'half-open' = 'closed';
  epoch = 0;
  until = 0;
  since = START;
  repeats = 0;
  successes = 0;
  probes = 0;
  calls: { at: number; failed: boolean; slow: boolean }[] = [];
  readonly #rules: CircuitRules;

  constructor(given: CircuitRules) {
    this.#rules = given;
  }

  admit(now: number): { epoch: number; isProbe: boolean } | null {
    if (this.state === 'open' && now >= this.until) {
      this.#become('half-open', now);
      this.successes = 0;
    }
    if (this.state === 'open') return null;
    if (this.state === 'closed') return { epoch: this.epoch, isProbe: false };
    if (this.probes + this.successes >= this.#rules.probes) return null;
    this.probes++;
    return { epoch: this.epoch, isProbe: true };
  }

  settle({ epoch, isProbe }: { epoch: number; isProbe: boolean }, result: Outcome, slow: boolean, now: number): void {
    if (isProbe) this.probes--;
    if (result === outcome.unknown || epoch !== this.epoch) return;
    const failed = result === outcome.failure;
    if (isProbe) {
      if (failed || slow) this.#open(this.repeats, now);
      else if (++this.successes >= this.#rules.probes) {
        this.calls = [];
        this.#become('closed', now);
      }
      return;
    }
    this.calls.push({ at: now, failed, slow });
    if (!failed && !slow) return;
    const part = this.#rules.window / 10;
    const from = (Math.floor(now / part) - 9) * part;
    const seen = this.calls.filter(({ at }) => at >= from);
    const counts = {
      calls: seen.length,
      failures: seen.filter((each) => each.failed).length,
      slow: seen.filter((each) => each.slow).length,
      consecutive: 0,
    };
    if (tripsOn(this.#rules, counts) === null) return;
    this.#open(hasRecovered(this.#rules, this.repeats, now - this.since) ? 0 : this.repeats, now);
  }

  #open(repeats: number, now: number): void {
    this.until = now + openTime(this.#rules, repeats);
    this.repeats = repeats + 1;
    this.#become('open', now);
  }

  #become(state: Model['state'], now: number): void {
    this.state = state;
    this.since = now;
    this.epoch++;
  }
}

describe('a circuit breaker in shared memory', () => {
  test('does what the book says, whichever of the workers calls', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ kind: fc.constant('admit' as const), worker: fc.nat(1) }) },
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constant('settle' as const),
          which: fc.nat(20),
          result: fc.constantFrom(outcome.success, outcome.failure, outcome.failure, outcome.unknown),
          slow: fc.boolean(),
        }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), time: fc.nat(700) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const process = new Process(2);
        const model = new Model(rules);
        const open: { circuit: Circuit; token: number; expected: { epoch: number; isProbe: boolean } }[] = [];
        for (const each of steps) {
          if (each.kind === 'wait') process.now += each.time;
          else if (each.kind === 'admit') {
            const circuit = process.worker(each.worker);
            const token = circuit.admit();
            const expected = model.admit(process.now);
            assert.equal(token !== REFUSED, expected !== null);
            if (expected === null) continue;
            assert.equal(circuit.isProbe(token), expected.isProbe);
            open.push({ circuit, token, expected });
          } else {
            const [settled] = open.splice(each.which % Math.max(1, open.length), 1);
            if (settled === undefined) continue;
            settled.circuit.settle(settled.token, each.result, each.slow);
            model.settle(settled.expected, each.result, each.slow, process.now);
          }
          assert.equal(process.reading.state, model.state);
        }
        // Each change is told once, by whoever made it.
        assert.equal(process.changes.length, model.epoch);
      }),
      { numRuns: 300 },
    );
  });

  test('is one for two workers: what one sees fail, the other does not call', () => {
    const process = new Process(2);
    process.fail(2, 0);
    process.fail(1, 1);
    assert.equal(process.worker(0).admit() === REFUSED, false);
    process.fail(1, 1);
    assert.deepEqual(process.changes, [{ state: 'open', reason: 'errorRate', openFor: 500 }]);
    assert.equal(process.worker(0).admit(), REFUSED);
    assert.equal(process.worker(1).admit(), REFUSED);
    assert.equal(process.reading.refused, 2);
    assert.equal(process.worker(0).retryAfter(), 1);
  });

  test('lets in as many probes as it may, over all workers, and closes when they went well', () => {
    const process = new Process(2);
    process.fail(4);
    process.now += 500;
    const [first, second, third] = [process.worker(0).admit(), process.worker(1).admit(), process.worker(0).admit()];
    assert.ok(process.worker(0).isProbe(first) && process.worker(1).isProbe(second));
    assert.equal(third, REFUSED);
    process.worker(0).settle(first, outcome.success, false);
    assert.equal(process.worker(1).admit(), REFUSED, 'one is done, one under way');
    process.worker(1).settle(second, outcome.success, false);
    assert.equal(process.reading.state, 'closed');
    assert.equal(process.reading.calls, 0, 'what opened it is forgotten');
    assert.deepEqual(
      process.changes.map(({ state }) => state),
      ['open', 'half-open', 'closed'],
    );
  });

  test('a probe that is given up makes room for another one', () => {
    const process = new Process(1, { probes: 1 });
    process.fail(4);
    process.now += 500;
    const circuit = process.worker(0);
    const token = circuit.admit();
    assert.equal(circuit.admit(), REFUSED);
    circuit.settle(token, outcome.unknown, false);
    assert.ok(circuit.isProbe(circuit.admit()));
  });

  test('and so does one whose worker has crashed', () => {
    const process = new Process(2, { probes: 1 });
    process.fail(4);
    process.now += 500;
    assert.ok(process.worker(0).isProbe(process.worker(0).admit()));
    assert.equal(process.worker(1).admit(), REFUSED);
    process.states.lose((process.workers[0] as { slots: NamedSlots }).slots);
    const token = process.worker(1).admit();
    assert.ok(process.worker(1).isProbe(token));
    process.worker(1).settle(token, outcome.success, false);
    assert.equal(process.reading.state, 'closed');
  });

  test('is open for longer each time, and for the first time again after it was well for a while', () => {
    const process = new Process(1, { probes: 1 });
    process.fail(4);
    const times = [500];
    for (let i = 0; i < 3; i++) {
      process.now += times.at(-1) as number;
      process.fail(1);
      times.push((process.changes.at(-1) as CircuitChange).openFor);
    }
    assert.deepEqual(times, [500, 1_000, 2_000, 2_000]);
    process.now += 2_000;
    process.call(0, outcome.success);
    process.fail(4);
    assert.equal(process.changes.at(-1)?.openFor, 2_000, 'it came back, and failed at once');
    process.now += 2_000;
    process.call(0, outcome.success);
    process.now += 2_000;
    process.fail(4);
    assert.equal(process.changes.at(-1)?.openFor, 500);
  });

  test('opens by failures in a row over all workers', () => {
    const process = new Process(2, { errorRate: null, slowRate: null, consecutiveFailures: 3 });
    process.fail(2, 0);
    process.call(1, outcome.success);
    process.fail(2, 1);
    assert.equal(process.reading.state, 'closed');
    process.fail(1, 0);
    assert.deepEqual(process.changes, [{ state: 'open', reason: 'consecutiveFailures', openFor: 500 }]);
  });

  test('slow successes count where that is asked for', () => {
    const process = new Process(1);
    for (let i = 0; i < 4; i++) process.call(0, outcome.success, i > 1);
    assert.equal(process.changes[0]?.reason, 'slowRate');
    const other = new Process(1, { slowRate: null });
    for (let i = 0; i < 8; i++) other.call(0, outcome.success, true);
    assert.equal(other.reading.state, 'closed');
  });

  test('calls that began before a change have no say after it', () => {
    const process = new Process(1, { probes: 1 });
    const circuit = process.worker(0);
    const late = [circuit.admit(), circuit.admit(), circuit.admit(), circuit.admit()];
    process.fail(4);
    process.now += 500;
    process.call(0, outcome.success);
    for (const token of late) circuit.settle(token, outcome.failure, false);
    assert.equal(process.reading.state, 'closed');
    assert.equal(process.reading.calls, 0);
  });

  test('its state goes on over a reload, with other rules too', () => {
    const process = new Process(1);
    process.fail(4);
    const next = process.add({ ...process.options, rules: { ...rules, window: 20_000, minimumCalls: 50 } });
    process.worker(0).close();
    process.worker(0).close();
    assert.equal(next.admit(), REFUSED);
  });
});

describe('an operator', () => {
  const order = (process: Process, what: 'open' | 'close' | 'auto'): BreakerReading => {
    const reading = orderBreaker(process.main, NAME, what, process.now);
    if (reading === null) throw new Error('there is no breaker');
    return reading;
  };

  test('forces it open, for all workers and over a reload, until it is told otherwise', () => {
    const process = new Process(2);
    assert.equal(order(process, 'open').forced, 'open');
    assert.equal(process.worker(0).admit(), REFUSED);
    assert.equal(process.worker(1).admit(), REFUSED);
    const next = process.add();
    process.worker(0).close();
    process.now += 100_000;
    assert.equal(next.admit(), REFUSED);
    assert.deepEqual([process.reading.state, process.reading.for], ['open', 100_000]);
    const after = order(process, 'auto');
    assert.deepEqual([after.state, after.forced, after.for], ['closed', null, 0]);
    assert.notEqual(next.admit(), REFUSED);
  });

  test('forces it closed: nothing is refused, and nothing counted', () => {
    const process = new Process(1);
    process.fail(4);
    order(process, 'close');
    assert.deepEqual([process.reading.state, process.reading.forced], ['closed', 'closed']);
    process.fail(20);
    assert.notEqual(process.worker(0).admit(), REFUSED);
    order(process, 'auto');
    process.fail(3);
    assert.equal(process.reading.state, 'closed', 'it begins anew');
    process.fail(1);
    assert.deepEqual([process.reading.state, process.changes.at(-1)?.openFor], ['open', 500]);
  });

  test('is told when there is none of that name', () => {
    const process = new Process(1);
    assert.equal(orderBreaker(process.main, 'upstream:nobody', 'open', process.now), null);
  });
});

test('names that are too long stay apart, and are found by what is shown of them', () => {
  const states = new TestStates();
  const slots = states.worker();
  const circuits = new SharedCircuits(slots, () => START);
  const long = 'ä'.repeat(200);
  for (const end of ['1', '2']) circuits.open({ scope: { kind: 'route', name: long + end }, rules }, () => undefined);
  const names = readBreakers(slots, START).map(({ breaker }) => breaker);
  assert.equal(new Set(names).size, 2);
  assert.deepEqual(new Set(names), new Set(['1', '2'].map((end) => breakerName({ kind: 'route', name: long + end }))));
  for (const name of names) assert.equal(orderBreaker(slots, name, 'open', START)?.state, 'open');
});
