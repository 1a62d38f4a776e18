import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { callOf, chunkOf, headOf, TestSink, TestTarget } from '../../test/support/dispatch.ts';
import { exchangeOf } from '../../test/support/exchange.ts';
import { handUpstream } from '../../test/support/plan.ts';
import { type CompiledPolicy, compilePolicy, problemsOf } from '../../test/support/policy.ts';
import { TestStates } from '../../test/support/states.ts';
import { errors, type GatewayError } from '../base/gateway-error.ts';
import type { Dispatch } from '../plan/call.ts';
import type { Exchange } from '../plan/exchange.ts';
import type { Endpoint } from '../plan/upstream.ts';
import { SharedCircuits } from '../shared-memory/breaker.ts';
import { type BreakerReading, readBreakers } from '../shared-memory/breaker-view.ts';
import { breaker } from './breaker.ts';
import { upstreamBreaker } from './upstream-breaker.ts';

/** A target behind a circuit breaker. */
class Guarded {
  readonly target = new TestTarget();
  readonly compiled: CompiledPolicy;
  readonly dispatch: Dispatch;
  readonly #states = new TestStates();
  now = 1_000_000;

  constructor(options: object, policy: typeof breaker | typeof upstreamBreaker = upstreamBreaker) {
    const circuits = new SharedCircuits(this.#states.worker(), () => this.now);
    this.compiled = compilePolicy(policy, options, { name: 'orders', gateway: 'web' }, undefined, undefined, {
      circuit: (given, changed) => circuits.open(given, changed),
    });
    const [hooks] = this.compiled.hooks;
    this.dispatch =
      hooks?.dispatch?.wrap(this.target.dispatch, handUpstream(['http://a', 'http://b'])) ?? assert.fail();
  }

  get readings(): BreakerReading[] {
    return readBreakers(this.#states.worker(), this.now);
  }

  get reading(): BreakerReading {
    return this.readings[0] ?? assert.fail('there is no breaker');
  }

  call(exchange: Exchange = exchangeOf()): TestSink {
    const sink = new TestSink();
    this.dispatch(callOf({ exchange }), sink);
    return sink;
  }

  answer(status: number): void {
    const { sink } = this.target.last;
    sink.head(headOf(status));
    sink.end(null);
  }

  fail(error: GatewayError): void {
    this.target.last.sink.fail(error);
  }
}

const row = { consecutiveFailures: 1, probes: 1 };

describe('a circuit breaker', () => {
  test('lets calls and answers pass as they are', () => {
    const it = new Guarded({});
    const sink = it.call();
    const { sink: inner, call } = it.target.last;
    inner.informational(headOf(103));
    inner.head(headOf(200));
    sink.takes = false;
    assert.equal(inner.data(chunkOf('body')), false);
    call.exchange?.call?.resume();
    assert.equal(it.target.last.resumed, 1);
    inner.end(null);
    assert.deepEqual([sink.events, sink.body], [['103', 'head 200', 'end'], 'body']);
    assert.deepEqual([it.reading.calls, it.reading.failures], [1, 0]);
  });

  test('refuses when it is open, and tells when to come back', () => {
    const it = new Guarded({ ...row, openFor: '4500ms' });
    it.call();
    it.answer(500);
    const exchange = exchangeOf();
    const sink = it.call(exchange);
    assert.deepEqual([sink.error, exchange.retryAfter], [errors.circuitOpen, 5]);
    assert.equal(it.target.calls.length, 1);
    it.now += 4_500;
    it.call();
    assert.equal(it.target.calls.length, 2);
    it.answer(200);
    assert.equal(it.reading.state, 'closed');
    const events = it.compiled.lines.map((line) => JSON.parse(line));
    assert.deepEqual(
      events.map(({ event, breaker: name, state, reason, openForMs }) => [event, name, state, reason, openForMs]),
      [
        ['breaker', 'upstream:orders', 'open', 'consecutiveFailures', 4_500],
        ['breaker', 'upstream:orders', 'half-open', undefined, undefined],
        ['breaker', 'upstream:orders', 'closed', undefined, undefined],
      ],
    );
  });

  const outcomes: [what: string, happens: (it: Guarded, sink: TestSink) => void, calls: number, failures: number][] = [
    ['200', (it) => it.answer(200), 1, 0],
    ['404', (it) => it.answer(404), 1, 0],
    ['500', (it) => it.answer(500), 1, 1],
    ['503', (it) => it.answer(503), 1, 1],
    ['a refused connection', (it) => it.fail(errors.upstreamConnect), 1, 1],
    ['a failed handshake', (it) => it.fail(errors.upstreamTls), 1, 1],
    ['a lost connection', (it) => it.fail(errors.upstreamReset), 1, 1],
    ['garbage', (it) => it.fail(errors.upstreamMalformed), 1, 1],
    ['a timeout', (it) => it.fail(errors.upstreamTimeout), 1, 1],
    ['no free connection', (it) => it.fail(errors.upstreamBusy), 0, 0],
    ['a client that broke off its body', (it) => it.fail(errors.clientClosed), 0, 0],
    ['a client that went away', (it) => it.target.last.call.exchange?.call?.cancel(), 0, 0],
    [
      'a limit of time further out',
      (it) => {
        const call = it.target.last.call.exchange?.call ?? assert.fail();
        call.timedOut = true;
        call.cancel();
      },
      1,
      1,
    ],
    [
      'an answer that breaks off',
      (it) => {
        it.target.last.sink.head(headOf(200));
        it.fail(errors.upstreamReset);
      },
      1,
      1,
    ],
    [
      'a client that went away during a good answer',
      (it) => {
        it.target.last.sink.head(headOf(200));
        it.target.last.call.exchange?.call?.cancel();
      },
      1,
      0,
    ],
    [
      'a tunnel',
      (it) => {
        const tunnel = { start() {}, write: () => true, resume() {}, end() {}, destroy() {} };
        it.target.last.sink.upgrade(headOf(101), tunnel);
      },
      1,
      0,
    ],
  ];
  for (const [what, happens, calls, failures] of outcomes) {
    test(`${what} counts as ${calls === 0 ? 'nothing' : failures === 0 ? 'a success' : 'a failure'}`, () => {
      const it = new Guarded({});
      happens(it, it.call());
      assert.deepEqual([it.reading.calls, it.reading.failures], [calls, failures]);
    });
  }

  test('what is a failure can be said', () => {
    const it = new Guarded({ failures: [429, 'timeout'] });
    for (const status of [429, 500, 503]) {
      it.call();
      it.answer(status);
    }
    for (const error of [errors.upstreamReset, errors.upstreamTimeout]) {
      it.call();
      it.fail(error);
    }
    assert.deepEqual([it.reading.calls, it.reading.failures], [4, 2]);
  });

  test('an answer that never ends does not hold a probe', () => {
    const it = new Guarded(row);
    it.call();
    it.answer(500);
    it.now += 5_000;
    it.call();
    it.target.last.sink.head(headOf(200));
    assert.equal(it.reading.state, 'closed');
    it.fail(errors.upstreamReset);
    assert.equal(it.reading.calls, 0, 'and is settled once');
  });

  test('a probe whose caller goes away makes room for the next one', () => {
    const it = new Guarded(row);
    it.call();
    it.answer(500);
    it.now += 5_000;
    const exchange = exchangeOf();
    it.call(exchange);
    assert.equal(it.call().error, errors.circuitOpen);
    exchange.call?.cancel();
    assert.equal(it.call().error, null);
  });

  test('with `report` calls pass, and it is told what would have been', () => {
    const it = new Guarded({ ...row, report: true });
    it.call();
    it.answer(500);
    const exchange = exchangeOf();
    const sink = it.call(exchange);
    it.answer(200);
    assert.deepEqual([sink.status, exchange.reported], [200, 1]);
    assert.deepEqual([it.reading.state, it.reading.refused], ['open', 1]);
    assert.match(it.compiled.lines.join(''), /"event":"reported","policy":"breaker","code":"circuit_open"/);
  });
});

describe('one for a route', () => {
  test('has the name of its gateway and its own', () => {
    const it = new Guarded(row, breaker);
    assert.equal(it.reading.breaker, 'route:web orders');
    it.call();
    it.answer(500);
    assert.equal(it.call().error, errors.circuitOpen);
  });
});

describe('one for each endpoint', () => {
  const [a, b] = handUpstream(['http://a', 'http://b']).endpoints as [Endpoint, Endpoint];

  test('is asked by the pool, and told what came of it', () => {
    const it = new Guarded({ ...row, scope: 'endpoint' });
    const exchange = exchangeOf();
    it.call(exchange);
    const guard = it.target.last.call.guard ?? assert.fail('there is no guard');
    assert.equal(guard.admits(a), true);
    guard.settled(a, 0, errors.upstreamConnect, 1);
    assert.equal(guard.admits(a), false);
    assert.equal(exchange.retryAfter, 5);
    assert.equal(guard.admits(b), true);
    guard.settled(b, 200, null, 1);
    assert.deepEqual(
      it.readings.map((each) => [each.breaker, each.state]),
      [
        ['endpoint:orders http://a', 'open'],
        ['endpoint:orders http://b', 'closed'],
      ],
    );
  });

  test('nothing learned is no outcome, and frees a probe', () => {
    const it = new Guarded({ ...row, scope: 'endpoint' });
    it.call();
    const guard = it.target.last.call.guard ?? assert.fail('there is no guard');
    guard.admits(a);
    guard.settled(a, 500, null, 1);
    it.now += 5_000;
    assert.equal(guard.admits(a), true);
    guard.settled(a, 0, null, 0);
    assert.equal(guard.admits(a), true);
    guard.settled(a, 204, null, 1);
    assert.equal(it.readings[0]?.state, 'closed');
  });

  test('slow answers count', () => {
    const it = new Guarded({ slowRate: '50%', slowerThan: '100ms', minimumCalls: 2, scope: 'endpoint' });
    it.call();
    const guard = it.target.last.call.guard ?? assert.fail('there is no guard');
    for (const milliseconds of [99, 100, 101]) {
      guard.admits(a);
      guard.settled(a, 200, null, milliseconds);
    }
    assert.deepEqual([it.readings[0]?.state, it.readings[0]?.reason], ['open', 'slowRate']);
  });

  test('with `report` the pool may go anywhere', () => {
    const it = new Guarded({ ...row, scope: 'endpoint', report: true });
    const exchange = exchangeOf();
    it.call(exchange);
    const guard = it.target.last.call.guard ?? assert.fail('there is no guard');
    guard.admits(a);
    guard.settled(a, 500, null, 1);
    assert.equal(guard.admits(a), true);
    guard.settled(a, 200, null, 1);
    assert.equal(exchange.reported, 1);
  });
});

describe('the options', () => {
  test('`true` is half of at least 20 calls in 10 s', () => {
    const { hooks } = compilePolicy(breaker, true);
    assert.equal(hooks[0]?.dispatch?.words, 'opens at 50 % failed of at least 20 calls in 10s, for 5s to 1m');
    assert.deepEqual(
      compilePolicy(upstreamBreaker, { consecutiveFailures: 5, scope: 'endpoint', openFor: '2m' }).hooks[0]?.dispatch
        ?.words,
      'each endpoint by itself: opens after 5 failures in a row, for 2m',
    );
  });

  test('what makes no sense is told', () => {
    const wrong = [
      { errorRate: '0%' },
      { slowRate: '50%' },
      { slowerThan: '1s' },
      { openFor: '10s', maxOpenFor: '5s' },
      { window: '100ms' },
      { probes: 0 },
      { failures: [200] },
      { failures: 'slow' },
      { errorrate: '50%' },
    ];
    for (const given of wrong) assert.notDeepEqual(problemsOf(upstreamBreaker, given), [], JSON.stringify(given));
    assert.notDeepEqual(problemsOf(breaker, { scope: 'endpoint' }), []);
  });
});
