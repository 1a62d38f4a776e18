import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../test/harness.ts';
import { TestBudget } from '../../test/support/budget.ts';
import {
  type CallFacts,
  callOf,
  chunkOf,
  headOf,
  TestBody,
  TestSink,
  TestTarget,
} from '../../test/support/dispatch.ts';
import { handUpstream } from '../../test/support/plan.ts';
import { compilePolicy, problemsOf } from '../../test/support/policy.ts';
import { errors, type GatewayError } from '../base/gateway-error.ts';
import { HeaderBlock } from '../base/headers.ts';
import { wheel } from '../base/timers.ts';
import { type BodySink, type Chunk, ResponseHead, type UpstreamCall } from '../plan/call.ts';
import type { Endpoint, UpstreamOptions } from '../plan/upstream.ts';
import { retry } from './retry.ts';
import { upstreamRetry } from './upstream-retry.ts';

/** What a request with `retry` does, step by step. */
class Retried {
  readonly budget: TestBudget;
  readonly target = new TestTarget();
  readonly sink = new TestSink();
  readonly call: UpstreamCall;

  constructor(
    options: unknown,
    facts: CallFacts = {},
    budget = new TestBudget(),
    upstream: Partial<UpstreamOptions> = {},
  ) {
    this.budget = budget;
    this.call = callOf(facts);
    const { hooks } = compilePolicy(upstreamRetry, options, {}, undefined, undefined, { retryBudget: () => budget });
    const wrapped = hooks[0]?.dispatch?.wrap(this.target.dispatch, handUpstream(['http://a', 'http://b'], upstream));
    wrapped?.(this.call, this.sink);
  }

  /** The attempt of that number, once it is made. */
  async attempt(number: number) {
    return await until(`attempt ${number}`, () => this.target.calls[number - 1]);
  }

  fail(error: GatewayError): void {
    this.target.last.sink.fail(error);
  }

  answer(status: number, fields: readonly (readonly [string, string])[] = []): void {
    const { sink } = this.target.last;
    sink.head(headOf(status, fields));
    sink.data(chunkOf(`answer ${status}`));
    sink.end(null);
  }

  get attempts(): number {
    return this.target.calls.length;
  }
}

const quick = { backoff: { base: '0', max: '0' } };

describe('what is tried again', () => {
  test('a lost connection, and the answer of the next attempt is the answer', async () => {
    const it = new Retried(quick);
    it.fail(errors.upstreamReset);
    await it.attempt(2);
    it.answer(200);
    assert.deepEqual([it.sink.status, it.sink.body, it.sink.ended], [200, 'answer 200', true]);
    assert.deepEqual([it.budget.calls, it.budget.taken], [1, ['retry']]);
    assert.equal(it.call.runner, null);
  });

  test('a status, whose answer nobody sees', async () => {
    const it = new Retried(quick);
    it.answer(503);
    await it.attempt(2);
    assert.deepEqual(it.sink.events, []);
    it.answer(200);
    assert.deepEqual(it.sink.events, ['head 200', 'end']);
  });

  test('until the attempts are used up: then the last answer is the answer', async () => {
    const it = new Retried({ ...quick, attempts: 3 });
    it.answer(503);
    await it.attempt(2);
    it.answer(503);
    await it.attempt(3);
    it.answer(503, [['x-from', 'third']]);
    assert.deepEqual([it.sink.status, it.sink.body, it.sink.headers['x-from']], [503, 'answer 503', 'third']);
    assert.equal(it.attempts, 3);
  });

  test('until the budget is: then what there is goes to the client', () => {
    const it = new Retried(quick, {}, new TestBudget(0));
    it.answer(503);
    assert.equal(it.sink.status, 503);
    const other = new Retried(quick, {}, new TestBudget(0));
    other.fail(errors.upstreamConnect);
    assert.equal(other.sink.error, errors.upstreamConnect);
  });

  test('never after the head of an answer was passed on', () => {
    const it = new Retried(quick);
    const { sink } = it.target.last;
    sink.head(headOf(200));
    sink.fail(errors.upstreamReset);
    assert.deepEqual(it.sink.events, ['head 200', 'upstream_reset']);
    assert.equal(it.attempts, 1);
  });

  const cases: [conditions: unknown, error: GatewayError, isTried: boolean][] = [
    ['connect', errors.upstreamConnect, true],
    ['connect', errors.upstreamTls, true],
    ['connect', errors.upstreamConnectTimeout, true],
    ['connect', errors.upstreamReset, false],
    ['reset', errors.upstreamReset, true],
    ['reset', errors.upstreamMalformed, true],
    ['reset', errors.upstreamTimeout, false],
    ['timeout', errors.upstreamTimeout, true],
    [[502], errors.upstreamReset, false],
    [['connect', 'reset', 'timeout'], errors.circuitOpen, false],
    [['connect', 'reset', 'timeout'], errors.upstreamBusy, false],
    [['connect', 'reset', 'timeout'], errors.clientClosed, false],
    [['connect', 'reset', 'timeout'], errors.overloaded, false],
  ];
  for (const [conditions, error, isTried] of cases) {
    test(`for ${JSON.stringify(conditions)}: ${error.code}${isTried ? '' : ' is not'}`, async () => {
      const it = new Retried({ ...quick, for: conditions });
      it.fail(error);
      if (isTried) await it.attempt(2);
      else assert.deepEqual([it.attempts, it.sink.error], [1, error]);
    });
  }
});

describe('only where that is safe', () => {
  const key = [['idempotency-key', 'a1']] as const;
  const cases: [
    method: string,
    fields: readonly (readonly [string, string])[],
    error: GatewayError,
    isTried: boolean,
  ][] = [
    ['GET', [], errors.upstreamReset, true],
    ['HEAD', [], errors.upstreamReset, true],
    ['PUT', [], errors.upstreamReset, true],
    ['DELETE', [], errors.upstreamReset, true],
    ['OPTIONS', [], errors.upstreamReset, true],
    ['POST', [], errors.upstreamReset, false],
    ['PATCH', [], errors.upstreamReset, false],
    ['post', [], errors.upstreamReset, false],
    ['POST', key, errors.upstreamReset, true],
    ['PATCH', key, errors.upstreamReset, true],
    // Nothing was sent.
    ['POST', [], errors.upstreamConnect, true],
    ['PATCH', [], errors.upstreamTls, true],
    ['POST', [], errors.upstreamConnectTimeout, true],
  ];
  for (const [method, headers, error, isTried] of cases) {
    test(`${method}${headers.length > 0 ? ' with a key' : ''} after ${error.code}: ${isTried ? 'again' : 'not again'}`, async () => {
      const it = new Retried(quick, { method, headers });
      it.fail(error);
      if (isTried) await it.attempt(2);
      else assert.deepEqual([it.attempts, it.sink.error], [1, error]);
    });
  }

  test('a status says that the service had the request', () => {
    const it = new Retried(quick, { method: 'POST' });
    it.answer(503);
    assert.equal(it.sink.status, 503);
  });
});

describe('another endpoint first', () => {
  test('each attempt avoids those of the ones before', async () => {
    const endpoints = handUpstream(['http://a', 'http://b']).endpoints;
    const it = new Retried({ ...quick, attempts: 3 });
    it.target.last.call.endpoint = endpoints[0] as Endpoint;
    it.fail(errors.upstreamReset);
    const second = await it.attempt(2);
    assert.deepEqual(second.call.avoided, [endpoints[0]]);
    second.call.endpoint = endpoints[1] as Endpoint;
    it.fail(errors.upstreamReset);
    assert.deepEqual((await it.attempt(3)).call.avoided, endpoints);
  });

  test('the endpoint is known through layers in between', async () => {
    const it = new Retried(quick);
    const inner = it.target.last.call.again();
    inner.endpoint = handUpstream(['http://a']).endpoints[0] as Endpoint;
    it.fail(errors.upstreamReset);
    assert.equal((await it.attempt(2)).call.avoided?.[0]?.url, 'http://a');
  });
});

describe('time', () => {
  test('an attempt that takes longer than it may is given up, and its endpoint to blame', async () => {
    const it = new Retried({ ...quick, perTryTimeout: '50ms' });
    const first = it.target.last;
    // The wheel does not keep a process alive.
    const alive = setTimeout(() => undefined, 5_000);
    await it.attempt(2);
    assert.equal(first.isCancelled, true);
    it.answer(200);
    clearTimeout(alive);
    assert.equal(it.sink.status, 200);
  });

  test('which the call says while it is cancelled, and the next one does not', async () => {
    const it = new Retried({ ...quick, perTryTimeout: '50ms' });
    const { call } = it.target.last;
    let blamed: boolean | null = null;
    call.runner = {
      resumeCall: () => undefined,
      cancelCall: () => {
        blamed = call.timedOut;
      },
    };
    const alive = setTimeout(() => undefined, 5_000);
    await it.attempt(2);
    clearTimeout(alive);
    assert.equal(blamed, true);
    assert.equal(it.target.last.call.timedOut, false);
    it.answer(200);
  });

  test('the last one that takes too long is a timeout', async () => {
    const it = new Retried({ ...quick, attempts: 1, hedge: { after: '1h' }, perTryTimeout: '50ms' });
    const alive = setTimeout(() => undefined, 5_000);
    await until('the end', () => it.sink.error);
    clearTimeout(alive);
    assert.equal(it.sink.error, errors.upstreamTimeout);
  });

  test('`Retry-After` is waited for, up to a bound', async () => {
    const it = new Retried({ ...quick, maxRetryAfter: '2s' });
    const begun = performance.now();
    it.answer(503, [['retry-after', '1']]);
    await it.attempt(2);
    assert.ok(performance.now() - begun >= 990);
    const other = new Retried({ ...quick, maxRetryAfter: '2s' });
    other.answer(503, [['retry-after', '3']]);
    assert.deepEqual([other.sink.status, other.sink.headers['retry-after'], other.attempts], [503, '3', 1]);
  });

  test('with no time left before the deadline the answer at hand is passed on', () => {
    const it = new Retried({ ...quick, maxRetryAfter: '10s' });
    it.target.last.call.deadline = wheel.now + 500;
    it.answer(503, [['retry-after', '2']]);
    assert.deepEqual([it.sink.status, it.budget.taken], [503, []]);
  });

  test('the total time of the upstream bounds all attempts together', () => {
    const it = new Retried(quick, {}, new TestBudget(), { totalTimeout: 2_000 });
    const { deadline } = it.target.last.call;
    assert.ok(deadline > wheel.now + 1_900 && deadline <= wheel.now + 2_000);
  });

  test('whoever goes away during a pause is not asked for again', async () => {
    const it = new Retried({ backoff: { base: '50ms', max: '50ms' }, for: 503, maxRetryAfter: '1s' });
    it.answer(503, [['retry-after', '1']]);
    it.call.cancel();
    await sleep(1_100);
    assert.equal(it.attempts, 1);
    assert.deepEqual(it.sink.events, []);
  });

  test('and during an attempt, that is cancelled', async () => {
    const it = new Retried(quick);
    it.fail(errors.upstreamReset);
    const second = await it.attempt(2);
    it.call.cancel();
    assert.equal(second.isCancelled, true);
  });
});

describe('an answer that is given up', () => {
  test('is read to its end, if that is near', async () => {
    const it = new Retried(quick);
    const { sink } = it.target.last;
    sink.head(headOf(503));
    sink.data(chunkOf('sorry'));
    assert.equal(it.target.last.isCancelled, false);
    sink.end(null);
    await it.attempt(2);
  });

  test('else its connection is dropped', async () => {
    for (const head of [
      new ResponseHead(503, new HeaderBlock(), 'close', -1),
      new ResponseHead(503, new HeaderBlock(), 'length', 1_000_000),
    ]) {
      const it = new Retried(quick);
      const first = it.target.last;
      first.sink.head(head);
      assert.equal(first.isCancelled, true);
      await it.attempt(2);
    }
    const it = new Retried(quick);
    const first = it.target.last;
    first.sink.head(headOf(503));
    first.sink.data(chunkOf('x'.repeat(20_000)));
    assert.equal(first.isCancelled, true);
    await it.attempt(2);
  });

  test('or breaks off, which is no matter', async () => {
    const it = new Retried(quick);
    it.target.last.sink.head(headOf(503));
    it.fail(errors.upstreamReset);
    await it.attempt(2);
    it.answer(200);
    assert.deepEqual(it.sink.events, ['head 200', 'end']);
  });
});

/** Takes a body as a service would, and may ask to wait. */
class Taker implements BodySink {
  readonly takesFramed = true;
  readonly passesContinue = true;
  body = '';
  ended = false;
  error: GatewayError | null = null;
  takes = true;

  data(chunk: Chunk): boolean {
    this.body += chunk.bytes.toString('utf8', chunk.start, chunk.end);
    return this.takes;
  }

  end(): void {
    this.ended = true;
  }

  abort(error: GatewayError): void {
    this.error = error;
  }
}

describe('a body', () => {
  const put = (body: TestBody, options: object = {}) =>
    new Retried({ ...quick, attempts: 3, ...options }, { method: 'PUT', body });
  const take = (it: Retried): Taker => {
    const taker = new Taker();
    it.target.last.call.body?.start(taker);
    return taker;
  };

  test('goes on as it comes, and is sent again from its beginning', async () => {
    const body = new TestBody(11);
    const it = put(body);
    const first = take(it);
    body.send('hello ');
    assert.equal(first.body, 'hello ');
    it.fail(errors.upstreamReset);
    await it.attempt(2);
    const second = take(it);
    assert.equal(second.body, 'hello ');
    body.send('world');
    body.end();
    assert.deepEqual([second.body, second.ended], ['hello world', true]);
    it.fail(errors.upstreamReset);
    await it.attempt(3);
    const third = take(it);
    assert.deepEqual([third.body, third.ended], ['hello world', true]);
  });

  test('that arrives between two attempts is not lost', async () => {
    const body = new TestBody();
    const it = put(body);
    take(it);
    body.send('one ');
    it.fail(errors.upstreamReset);
    body.send('two ');
    await it.attempt(2);
    const second = take(it);
    assert.equal(second.body, 'one two ');
    body.send('three');
    body.end();
    assert.deepEqual([second.body, second.ended], ['one two three', true]);
  });

  test('past the bound is passed on, and not sent again', () => {
    const body = new TestBody();
    const it = put(body, { maxBody: '8B' });
    const taker = take(it);
    body.send('12345678');
    body.send('9');
    body.send('0');
    assert.equal(taker.body, '1234567890');
    it.fail(errors.upstreamReset);
    assert.deepEqual([it.attempts, it.sink.error], [1, errors.upstreamReset]);
  });

  test('that is declared to be longer is not even kept, but may be sent while nothing was', async () => {
    const body = new TestBody(9);
    const it = put(body, { maxBody: '8B' });
    assert.equal(it.target.last.call.body, body);
    // The target of these tests has begun to read it.
    body.started = false;
    it.fail(errors.upstreamConnect);
    await it.attempt(2);
    take(it);
    body.send('123456789');
    it.fail(errors.upstreamConnect);
    assert.equal(it.sink.error, errors.upstreamConnect);
  });

  test('of a request that may not be repeated is not kept', () => {
    const body = new TestBody(5);
    const it = new Retried(quick, { method: 'POST', body });
    assert.equal(it.target.last.call.body, body);
  });

  test('that is too fast for the next attempt waits', async () => {
    const body = new TestBody();
    const it = put(body);
    take(it);
    body.send('one ');
    body.send('two ');
    it.fail(errors.upstreamReset);
    await it.attempt(2);
    const slow = new Taker();
    slow.takes = false;
    const { call } = it.target.last;
    call.body?.start(slow);
    assert.equal(slow.body, 'one ');
    body.send('three');
    body.end();
    assert.deepEqual([slow.body, slow.ended], ['one ', false]);
    slow.takes = true;
    call.body?.resume();
    assert.deepEqual([slow.body, slow.ended], ['one two three', true]);
  });

  test('that breaks off ends the request, during an attempt or between two', async () => {
    const body = new TestBody();
    const it = put(body);
    const taker = take(it);
    body.sink?.abort(errors.clientClosed);
    assert.equal(taker.error, errors.clientClosed);
    const other = new TestBody();
    const between = put(other, { backoff: { base: '1s', max: '1s' } });
    take(between);
    between.fail(errors.upstreamReset);
    other.sink?.abort(errors.clientClosed);
    assert.equal(between.sink.error, errors.clientClosed);
    assert.equal(between.call.runner, null);
  });

  test('that an early answer makes superfluous is cancelled, unless that answer is not the last', async () => {
    const body = new TestBody();
    const it = put(body);
    take(it);
    body.send('part');
    const { call, sink } = it.target.last;
    sink.head(headOf(503));
    sink.end(null);
    call.body?.cancel();
    assert.equal(body.isCancelled, false);
    await it.attempt(2);
    const second = take(it);
    assert.equal(second.body, 'part');
    it.target.last.sink.head(headOf(200));
    it.target.last.call.body?.cancel();
    assert.equal(body.isCancelled, true);
  });
});

describe('a hedge', () => {
  const hedged = (options: object = {}, facts: CallFacts = {}, budget?: TestBudget) =>
    new Retried({ ...quick, attempts: 1, hedge: { after: '20ms', ...options } }, facts, budget);

  test('is made when the first attempt takes long, and the first head wins', async () => {
    const it = hedged();
    const first = it.target.last;
    first.call.endpoint = handUpstream(['http://a']).endpoints[0] as Endpoint;
    const second = await it.attempt(2);
    assert.equal(second.call.avoided?.[0]?.url, 'http://a');
    assert.deepEqual(it.budget.taken, ['hedge']);
    second.sink.head(headOf(200));
    assert.equal(first.isCancelled, true);
    second.sink.data(chunkOf('second'));
    second.sink.end(null);
    assert.deepEqual([it.sink.body, it.sink.events], ['second', ['head 200', 'end']]);
    assert.equal(it.call.runner, null);
  });

  test('may lose', async () => {
    const it = hedged();
    const first = it.target.last;
    const second = await it.attempt(2);
    first.sink.head(headOf(200));
    assert.deepEqual([first.isCancelled, second.isCancelled], [false, true]);
    it.call.resume();
    assert.deepEqual([first.resumed, second.resumed], [1, 0]);
    first.sink.end(null);
    assert.deepEqual(it.sink.events, ['head 200', 'end']);
  });

  test('is not made when the first is quick enough', async () => {
    const it = hedged();
    it.answer(200);
    await sleep(60);
    assert.equal(it.attempts, 1);
  });

  test('nor without a budget, with a body, for what may not be repeated, or for an upgrade', async () => {
    const none = hedged({}, {}, new TestBudget(0));
    const body = hedged({}, { method: 'PUT', body: new TestBody(3) });
    const post = hedged({}, { method: 'POST' });
    // Idempotent, but the second of two finds nothing to delete.
    const gone = hedged({}, { method: 'DELETE' });
    await sleep(60);
    assert.deepEqual([none.attempts, body.attempts, post.attempts, gone.attempts], [1, 1, 1, 1]);
  });

  test('carries on when the other fails, and fails when both have', async () => {
    const it = hedged();
    const first = it.target.last;
    const second = await it.attempt(2);
    first.sink.fail(errors.upstreamReset);
    assert.deepEqual(it.sink.events, []);
    second.sink.head(headOf(200));
    second.sink.end(null);
    assert.deepEqual(it.sink.events, ['head 200', 'end']);
    const both = hedged();
    const one = both.target.last;
    const other = await both.attempt(2);
    one.sink.fail(errors.upstreamReset);
    other.sink.fail(errors.upstreamConnect);
    assert.deepEqual(both.sink.events, ['upstream_connect_failed']);
  });

  test('prefers an answer to one that would be tried again', async () => {
    const it = hedged();
    const first = it.target.last;
    const second = await it.attempt(2);
    second.sink.head(headOf(503));
    assert.deepEqual([second.isCancelled, it.sink.events], [true, []]);
    first.sink.head(headOf(200));
    first.sink.end(null);
    assert.deepEqual(it.sink.events, ['head 200', 'end']);
  });

  test('is cancelled with everything when the client goes away', async () => {
    const it = hedged();
    const first = it.target.last;
    const second = await it.attempt(2);
    it.call.cancel();
    assert.deepEqual([first.isCancelled, second.isCancelled], [true, true]);
    assert.deepEqual(it.sink.events, []);
  });

  test('by percentile is made once enough is known', async () => {
    const target = new TestTarget();
    const budget = new TestBudget();
    const { hooks } = compilePolicy(upstreamRetry, { ...quick, hedge: { after: 'p90' } }, {}, undefined, undefined, {
      retryBudget: () => budget,
    });
    const dispatch = hooks[0]?.dispatch?.wrap(target.dispatch, handUpstream(['http://a']));
    dispatch?.(callOf(), new TestSink());
    await sleep(30);
    assert.equal(target.calls.length, 1);
    for (let i = 0; i < 200; i++) {
      dispatch?.(callOf(), new TestSink());
      target.last.sink.head(headOf(200));
      target.last.sink.end(null);
    }
    const before = target.calls.length;
    dispatch?.(callOf(), new TestSink());
    await until('the hedge', () => target.calls.length === before + 2);
    assert.deepEqual(budget.taken, ['hedge']);
  });
});

describe('the policies', () => {
  test('a target that is no service is not asked again', () => {
    const { hooks } = compilePolicy(retry, { attempts: 3 });
    const { dispatch } = new TestTarget();
    assert.equal(hooks[0]?.dispatch?.wrap(dispatch, null), dispatch);
    assert.equal(hooks[0]?.dispatch?.replacesUpstreams, true);
  });

  test('say what they do', () => {
    const { hooks } = compilePolicy(upstreamRetry, { attempts: 3, perTryTimeout: '1s', hedge: true });
    assert.equal(
      hooks[0]?.dispatch?.words,
      'up to 3 attempts of 1s each for connect, reset, timeout, 503; at most 20 % further attempts; bodies up to 64KiB; 1 more beside one that takes longer than p95',
    );
  });

  test('what makes no sense is told', () => {
    const wrong = [
      { attempts: 0 },
      { attempts: 11 },
      { for: ['conect'] },
      { for: [200] },
      { perTryTimeout: '1ms' },
      { budget: 20 },
      { hedge: { after: 'p100' } },
      { hedge: { after: 'q95' } },
      { maxBody: '1GiB' },
      { retries: 2 },
    ];
    for (const given of wrong) assert.notDeepEqual(problemsOf(upstreamRetry, given), [], JSON.stringify(given));
    assert.deepEqual(problemsOf(upstreamRetry, true), []);
    assert.deepEqual(problemsOf(upstreamRetry, { budget: { share: '10%', perSecond: 0.5 } }), []);
  });
});
