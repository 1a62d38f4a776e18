import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { exchangeOf } from '../../test/support/exchange.ts';
import { TestGauges } from '../../test/support/gauges.ts';
import { errors, type GatewayError } from '../base/gateway-error.ts';
import { HeaderBlock } from '../base/headers.ts';
import type { GateOptions } from '../plan/admission.ts';
import { type Dispatch, ResponseHead, type Sink, type Tunnel, UpstreamCall } from '../plan/call.ts';
import type { Priority } from '../plan/priority.ts';
import type { GaugeTable } from '../shared-memory/gauges.ts';
import { Gates } from './gate.ts';

const options: GateOptions = {
  scope: { kind: 'upstream', name: 'orders' },
  max: 1,
  queue: 10,
  timeout: 60_000,
  adaptive: null,
};

const counts = { waiting: 0, overloaded: 0, limit: 0 };

function gatesOn(gauges: GaugeTable): Gates {
  return new Gates(gauges, () => performance.now(), {
    waiting: (_series, change) => {
      counts.waiting += change;
    },
    overloaded: () => {
      counts.overloaded++;
    },
    upstreamLimit: (_series, limit) => {
      counts.limit = limit;
    },
  });
}

/** A target whose calls end when the test says so. */
class Target {
  readonly calls: { call: UpstreamCall; sink: Sink; cancelled: boolean }[] = [];
  readonly dispatch: Dispatch = (call, sink) => {
    const entry = { call, sink, cancelled: false };
    call.runner = {
      cancelCall: () => {
        entry.cancelled = true;
      },
      resumeCall: () => undefined,
    };
    this.calls.push(entry);
  };

  get targets(): string[] {
    return this.calls.map(({ call }) => call.target);
  }

  sink(index: number): Sink {
    return (this.calls[index] as (typeof this.calls)[number]).sink;
  }
}

/** What becomes of a call. */
class Outcome implements Sink {
  readonly takesFramed = false;
  readonly call: UpstreamCall;
  ended = 0;
  error: GatewayError | null = null;
  tunnel: Tunnel | null = null;

  constructor(target: string, priority: Priority = 1, clientAddress = '192.0.2.1') {
    const exchange = exchangeOf({ clientAddress });
    exchange.priority = priority;
    this.call = new UpstreamCall('GET', target, 'shop.example', new HeaderBlock(), null, exchange);
  }

  informational(): void {}
  head(): void {}
  data(): boolean {
    return true;
  }
  end(): void {
    this.ended++;
  }
  upgrade(_head: ResponseHead, tunnel: Tunnel): void {
    this.tunnel = tunnel;
  }
  fail(error: GatewayError): void {
    this.error = error;
  }
}

function ask(guarded: Dispatch, target: string, priority: Priority = 1, address?: string): Outcome {
  const outcome = new Outcome(target, priority, address);
  guarded(outcome.call, outcome);
  return outcome;
}

function setUp(changes: Partial<GateOptions> = {}): { target: Target; guarded: Dispatch; gauges: TestGauges } {
  const gauges = new TestGauges();
  const target = new Target();
  const guarded = gatesOn(gauges.worker())
    .open({ ...options, ...changes }, 3)
    .guard(target.dispatch, null, null);
  return { target, guarded, gauges };
}

describe('a gate', () => {
  test('lets in as many as may be, and the next when one ends, in their order', () => {
    const { target, guarded } = setUp({ max: 2 });
    for (const name of ['/1', '/2', '/3', '/4']) ask(guarded, name);
    assert.deepEqual(target.targets, ['/1', '/2']);
    target.sink(1).end(null);
    target.sink(0).fail(errors.upstreamReset);
    assert.deepEqual(target.targets, ['/1', '/2', '/3', '/4']);
  });

  test('serves the higher class first', () => {
    const { target, guarded } = setUp();
    for (const [name, priority] of [
      ['/first', 1],
      ['/low', 2],
      ['/normal', 1],
      ['/high', 0],
      ['/high too', 0],
    ] as const) {
      ask(guarded, name, priority);
    }
    for (let i = 0; i < 4; i++) target.sink(i).end(null);
    assert.deepEqual(target.targets, ['/first', '/high', '/high too', '/normal', '/low']);
  });

  test('a full line refuses, and the lowest class makes room for a higher one', () => {
    const { target, guarded } = setUp({ queue: 2 });
    ask(guarded, '/first');
    const older = ask(guarded, '/low older', 2);
    const latest = ask(guarded, '/low latest', 2);
    const another = ask(guarded, '/low', 2);
    assert.equal(another.error, errors.overloaded);
    const high = ask(guarded, '/high', 0);
    assert.equal(latest.error, errors.overloaded);
    assert.equal(older.error, null);
    assert.equal(ask(guarded, '/normal', 1).error, null);
    assert.equal(older.error, errors.overloaded);
    assert.equal(ask(guarded, '/normal too', 1).error, errors.overloaded);
    target.sink(0).end(null);
    target.sink(1).end(null);
    assert.deepEqual(target.targets, ['/first', '/high', '/normal']);
    assert.equal(high.error, null);
  });

  test('nobody waits where there is no line', () => {
    const { target, guarded } = setUp({ queue: 0 });
    ask(guarded, '/first');
    assert.equal(ask(guarded, '/second').error, errors.overloaded);
    target.sink(0).end(null);
    assert.equal(ask(guarded, '/third').error, null);
  });

  test('who waited for too long is refused, and the place stays free for others', async () => {
    const { target, guarded } = setUp({ timeout: 1 });
    ask(guarded, '/first');
    const late = ask(guarded, '/late');
    while (late.error === null) await sleep(10);
    assert.equal(late.error, errors.overloaded);
    target.sink(0).end(null);
    assert.equal(ask(guarded, '/next').error, null);
    assert.deepEqual(target.targets, ['/first', '/next']);
  });

  test('a call that nobody wants any more leaves the line, or its place, and hears nothing', () => {
    const { target, guarded } = setUp();
    const first = ask(guarded, '/first');
    const waiting = ask(guarded, '/waiting');
    const next = ask(guarded, '/next');
    waiting.call.cancel();
    first.call.cancel();
    assert.equal(target.calls[0]?.cancelled, true);
    assert.deepEqual(target.targets, ['/first', '/next']);
    // A second end of the same call gives nothing back a second time.
    first.call.cancel();
    target.sink(0).end(null);
    assert.equal(ask(guarded, '/other').error, null);
    assert.deepEqual(target.targets, ['/first', '/next']);
    assert.deepEqual([waiting.error, next.error], [null, null]);
  });

  test('a tunnel has its place until one of its ends is gone', () => {
    for (const endedBy of ['client', 'service'] as const) {
      const { target, guarded } = setUp({ queue: 0 });
      const upgraded = ask(guarded, '/socket');
      const calls: string[] = [];
      let peer: Tunnel | null = null;
      const service = tunnelEnd(calls, 'service', (other) => {
        peer = other;
      });
      target.sink(0).upgrade(new ResponseHead(101, new HeaderBlock(), 'none', -1), service);
      const client = tunnelEnd(calls, 'client', () => undefined);
      upgraded.tunnel?.start(client);
      assert.equal(ask(guarded, '/next').error, errors.overloaded);
      if (endedBy === 'client') upgraded.tunnel?.destroy();
      else (peer as Tunnel | null)?.destroy();
      assert.deepEqual(calls, [endedBy === 'client' ? 'service' : 'client']);
      assert.equal(ask(guarded, '/next').error, null);
      assert.equal(ask(guarded, '/one too many').error, errors.overloaded);
    }
  });

  test('with a key, everybody has places of their own', () => {
    const gauges = new TestGauges();
    const target = new Target();
    const gate = gatesOn(gauges.worker()).open({ ...options, queue: 0, scope: { kind: 'callers', name: 'a' } }, -1);
    const guarded = gate.guard(target.dispatch, ({ exchange }) => exchange?.clientAddress ?? '', null);
    ask(guarded, '/ada', 1, '192.0.2.1');
    assert.equal(ask(guarded, '/ada too', 1, '192.0.2.1').error, errors.overloaded);
    assert.equal(ask(guarded, '/bob', 1, '192.0.2.2').error, null);
  });

  test('a report lets everybody pass, and counts them', () => {
    const target = new Target();
    const reported: string[] = [];
    const guarded = gatesOn(new TestGauges().worker())
      .open({ ...options, queue: 0 }, -1)
      .guard(target.dispatch, null, (exchange) => reported.push(exchange.path));
    for (let i = 0; i < 3; i++) ask(guarded, `/${i}`);
    assert.equal(target.calls.length, 3);
    assert.equal(reported.length, 2);
    for (let i = 0; i < 3; i++) target.sink(i).end(null);
    ask(guarded, '/again');
    assert.equal(reported.length, 2);
  });

  test('many who fail at once do not nest ever deeper', () => {
    const gauges = new TestGauges();
    const held = new Target();
    let fails = false;
    const guarded = gatesOn(gauges.worker())
      .open({ ...options, queue: 50_000 }, -1)
      .guard((call, sink) => (fails ? sink.fail(errors.upstreamBusy) : held.dispatch(call, sink)), null, null);
    ask(guarded, '/first');
    const waiting = Array.from({ length: 20_000 }, (_, i) => ask(guarded, `/${i}`));
    fails = true;
    held.sink(0).end(null);
    assert.ok(waiting.every(({ error }) => error === errors.upstreamBusy));
  });
});

describe('gates of several workers', () => {
  test('share their places; whoever waits in another worker is woken', async () => {
    const gauges = new TestGauges();
    const [here, there] = [new Target(), new Target()];
    const guardedHere = gatesOn(gauges.worker()).open(options, -1).guard(here.dispatch, null, null);
    const guardedThere = gatesOn(gauges.worker()).open(options, -1).guard(there.dispatch, null, null);
    ask(guardedHere, '/here');
    ask(guardedThere, '/there');
    assert.deepEqual(there.targets, []);
    here.sink(0).end(null);
    while (there.calls.length === 0) await sleep(1);
    assert.deepEqual(there.targets, ['/there']);
    assert.equal(ask(guardedHere, '/here too').error, null);
    assert.deepEqual(here.targets, ['/here']);
  });

  test('nobody starves in a worker with few places beside one that is always busy', async () => {
    const gauges = new TestGauges();
    const [busy, quiet] = [new Target(), new Target()];
    const guardedBusy = gatesOn(gauges.worker()).open(options, -1).guard(busy.dispatch, null, null);
    const guardedQuiet = gatesOn(gauges.worker()).open(options, -1).guard(quiet.dispatch, null, null);
    for (let i = 0; i < 5; i++) ask(guardedBusy, `/${i}`);
    ask(guardedQuiet, '/quiet');
    let served = 0;
    while (quiet.calls.length === 0 && served < 100) {
      if (busy.calls.length > served) {
        ask(guardedBusy, '/more');
        busy.sink(served++).end(null);
      }
      await sleep(1);
    }
    assert.ok(served < 20, `after ${served}`);
  });

  test('a change of the options finds those who wait under the old ones', () => {
    const gauges = new TestGauges();
    const target = new Target();
    const gates = gatesOn(gauges.worker());
    const before = gates.open({ ...options, timeout: 50_000 }, -1).guard(target.dispatch, null, null);
    ask(before, '/first');
    ask(before, '/waits');
    const after = gates.open({ ...options, max: 2, queue: 3 }, -1).guard(target.dispatch, null, null);
    ask(after, '/new');
    target.sink(0).end(null);
    target.sink(1).end(null);
    assert.deepEqual(target.targets, ['/first', '/waits', '/new']);
  });
});

describe('whatever comes in whatever order', () => {
  test('never too many, nobody forgotten, every place free in the end', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('ask' as const), priority: fc.constantFrom<Priority>(0, 1, 2) }),
      fc.record({ kind: fc.constantFrom('end' as const, 'fail' as const, 'cancel' as const), at: fc.nat(20) }),
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 120 }),
        fc.integer({ min: 1, max: 4 }),
        fc.nat(5),
        (steps, max, queue) => {
          const { target, guarded } = setUp({ max, queue });
          const before = { ...counts };
          const asked: Outcome[] = [];
          const isOpen = (call: UpstreamCall): boolean => {
            const outcome = asked.find((each) => each.call.target === call.target);
            return outcome !== undefined && outcome.ended === 0 && outcome.error === null && !cancelled.has(outcome);
          };
          const cancelled = new Set<Outcome>();
          const open = () => target.calls.filter(({ call }) => isOpen(call));
          for (const each of steps) {
            if (each.kind === 'ask') {
              const outcome = new Outcome(`/${asked.length}`, each.priority);
              asked.push(outcome);
              guarded(outcome.call, outcome);
            } else if (each.kind === 'cancel') {
              const outcome = asked[each.at % Math.max(1, asked.length)];
              if (outcome === undefined) continue;
              if (outcome.ended === 0 && outcome.error === null) cancelled.add(outcome);
              outcome.call.cancel();
            } else {
              const underWay = open();
              const entry = underWay[each.at % Math.max(1, underWay.length)];
              if (each.kind === 'end') entry?.sink.end(null);
              else entry?.sink.fail(errors.upstreamReset);
            }
            assert.ok(open().length <= max);
            const waiting = counts.waiting - before.waiting;
            assert.ok(waiting <= queue);
            if (waiting > 0) assert.equal(open().length, max, 'nobody waits beside a free place');
          }
          for (let underWay = open(); underWay.length > 0; underWay = open()) underWay[0]?.sink.end(null);
          assert.equal(counts.waiting, before.waiting);
          for (const outcome of asked) {
            const ends = outcome.ended + (outcome.error === null ? 0 : 1) + (cancelled.has(outcome) ? 1 : 0);
            assert.equal(ends, 1, outcome.call.target);
          }
          const all = Array.from({ length: max }, (_, i) => ask(guarded, `/again ${i}`));
          assert.ok(all.every(({ error }) => error === null));
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('a gate whose limit follows the latency', () => {
  test('begins where it is told to, and tells where it is', async () => {
    const { target, guarded } = setUp({ max: 100, queue: 0, adaptive: { min: 2, initial: 4, tolerance: 1.5 } });
    const first = Array.from({ length: 5 }, (_, i) => ask(guarded, `/${i}`));
    assert.deepEqual(
      first.map(({ error }) => error === null),
      [true, true, true, true, false],
    );
    const answer = (index: number): void => {
      target.sink(index).head(new ResponseHead(200, new HeaderBlock(), 'none', -1));
      target.sink(index).end(null);
    };
    counts.limit = 0;
    for (let i = 0; counts.limit <= 4 && i < 2_000; i++) {
      await sleep(2);
      answer(i);
      ask(guarded, '/more');
    }
    assert.ok(counts.limit > 4 && counts.limit < 100);
  });
});

function tunnelEnd(calls: string[], name: string, started: (peer: Tunnel) => void): Tunnel {
  return {
    start: started,
    write: () => true,
    resume: () => undefined,
    end: () => undefined,
    destroy: () => {
      calls.push(name);
    },
  };
}
