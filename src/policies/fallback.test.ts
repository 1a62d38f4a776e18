import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  answering,
  type CallFacts,
  callOf,
  chunkOf,
  failing,
  headOf,
  TestBody,
  TestSink,
  TestTarget,
} from '../../test/support/dispatch.ts';
import { exchangeOf } from '../../test/support/exchange.ts';
import { compilePolicy, problemsOf } from '../../test/support/policy.ts';
import { errors } from '../base/gateway-error.ts';
import type { Dispatch } from '../plan/call.ts';
import { routeEvent } from '../plan/route-events.ts';
import { Failures, usualFailures } from './fallback/failures.ts';
import { fallback } from './fallback.ts';

const emptyList = { respond: { status: 503, json: [] } };

/** A route with a fallback and this target. */
function behind(options: unknown, next: Dispatch, others: Readonly<Record<string, Dispatch>> = {}) {
  const policy = compilePolicy(fallback, options, {}, undefined, undefined, { upstreams: others, handlers: others });
  const [hook] = policy.hooks;
  assert.ok(hook?.dispatch !== undefined);
  return { policy, dispatch: hook.dispatch.wrap(next, null) };
}

function run(options: unknown, next: Dispatch, others: Readonly<Record<string, Dispatch>> = {}, facts: CallFacts = {}) {
  const { policy, dispatch } = behind(options, next, others);
  const sink = new TestSink();
  const call = callOf(facts);
  dispatch(call, sink);
  return { policy, sink, call, marked: () => sink.headers['x-sluice-fallback'] };
}

describe('fallback', () => {
  test('the answer of a target that is well passes as it is', () => {
    const { sink, marked, policy, call } = run(emptyList, answering(200, 'orders'));
    assert.deepEqual(sink.events, ['head 200', 'end']);
    assert.deepEqual([sink.body, marked(), policy.events], ['orders', undefined, []]);
    assert.equal(call.exchange?.fallback, null);
  });

  test('the first step that can answers, says so and is counted', () => {
    const { sink, policy, call, marked } = run([{ to: 'static' }, emptyList], failing(errors.upstreamConnect), {
      static: answering(200, 'copy'),
    });
    assert.deepEqual([sink.events, sink.body, marked()], [['head 200', 'end'], 'copy', 'to']);
    assert.deepEqual(policy.events, [routeEvent('fallback', 'to')]);
    assert.deepEqual([call.exchange?.fallback, call.exchange?.error?.code], ['to', 'upstream_connect_failed']);
  });

  test('the failure of a step, by error or by status, leads to the next', () => {
    for (const failed of [failing(errors.upstreamTimeout), answering(503, 'neither'), failing(errors.circuitOpen)]) {
      const { sink, marked } = run([{ to: 'static' }, emptyList], failing(errors.circuitOpen), { static: failed });
      assert.deepEqual([sink.events, sink.body, marked()], [['head 503', 'end'], '[]', 'respond']);
      assert.equal(sink.headers['cache-control'], 'no-store');
    }
  });

  test('when no step can answer the target’s own failure stands, an answer whole', () => {
    const others = { static: failing(errors.upstreamReset), other: answering(502, 'neither') };
    const byError = run([{ to: 'static' }, { to: 'other' }], failing(errors.upstreamTimeout), others);
    assert.deepEqual(byError.sink.events, ['upstream_timeout']);
    const byStatus = run([{ to: 'static' }, { to: 'other' }], answering(503, 'sorry', [['x-a', '1']]), others);
    assert.deepEqual(byStatus.sink.events, ['head 503', 'end']);
    assert.deepEqual([byStatus.sink.body, byStatus.sink.headers['x-a'], byStatus.marked()], ['sorry', '1', undefined]);
    assert.deepEqual(byStatus.policy.events, []);
  });

  test('what clients are at fault for is never answered by a fallback', () => {
    for (const error of [errors.bodyTooLarge, errors.clientClosed, errors.missingValue]) {
      assert.deepEqual(run(emptyList, failing(error)).sink.events, [error.code]);
    }
    for (const status of [400, 401, 403, 404, 422, 429]) {
      assert.deepEqual(run(emptyList, answering(status)).sink.events, [`head ${status}`, 'end']);
    }

    assert.equal(problemsOf(fallback, { on: [401], steps: emptyList }).length, 1);
  });

  test('`on` says which failures count', () => {
    const options = { on: ['timeout', 404], steps: emptyList };
    assert.deepEqual(run(options, failing(errors.upstreamConnect)).sink.events, ['upstream_connect_failed']);
    assert.deepEqual(run(options, answering(503)).sink.events, ['head 503', 'end']);
    assert.equal(run(options, failing(errors.upstreamTimeout)).marked(), 'respond');
    assert.equal(run(options, answering(404)).marked(), 'respond');
    // The gateway's own bounds are no failure of the service unless that is said.
    assert.deepEqual(run(emptyList, failing(errors.overloaded)).sink.events, ['overloaded']);
    assert.equal(run({ on: 'overloaded', steps: emptyList }, failing(errors.overloaded)).marked(), 'respond');
  });

  test('every error of a service is one of the usual failures', () => {
    const usual = new Failures(usualFailures);
    const missed = Object.values(errors).filter((error) => error.from === 'upstream' && !usual.hasError(error));
    assert.deepEqual(missed, []);
    const client = Object.values(errors).filter((error) => error.from === 'client' && usual.hasError(error));
    assert.deepEqual(client, []);
  });

  test('once the head has gone out there is no way back', () => {
    const target = new TestTarget();
    const { sink } = run(emptyList, target.dispatch);
    target.last.sink.head(headOf(200));
    target.last.sink.data(chunkOf('half'));
    target.last.sink.fail(errors.upstreamReset);
    assert.deepEqual(sink.events, ['head 200', 'upstream_reset']);
  });

  test('the target’s answer waits while a step is asked, and goes on when that has no better', () => {
    const target = new TestTarget();
    const other = new TestTarget();
    const { sink, call } = run({ to: 'other' }, target.dispatch, { other: other.dispatch });
    const first = target.last;
    first.sink.head(headOf(503));
    assert.equal(first.sink.data(chunkOf('sor')), false);
    assert.deepEqual(sink.events, []);
    other.last.sink.fail(errors.upstreamConnect);
    assert.deepEqual([sink.events, sink.body, first.resumed], [['head 503'], 'sor', 1]);
    first.sink.data(chunkOf('ry'));
    first.sink.end(null);
    assert.deepEqual(
      [sink.events, sink.body, first.isCancelled, call.runner],
      [['head 503', 'end'], 'sorry', false, null],
    );
  });

  test('the target’s answer is dropped for a better one', () => {
    const target = new TestTarget();
    const other = new TestTarget();
    const { sink, call } = run({ to: 'other' }, target.dispatch, { other: other.dispatch });
    target.last.sink.head(headOf(503));
    target.last.sink.data(chunkOf('sorry'));
    other.last.sink.head(headOf(200));
    assert.equal(target.last.isCancelled, true);
    other.last.sink.data(chunkOf('fine'));
    call.resume();
    assert.deepEqual([other.last.resumed, target.last.resumed], [1, 0]);
    other.last.sink.end(null);
    assert.deepEqual([sink.events, sink.body], [['head 200', 'end'], 'fine']);
  });

  test('a caller that goes away ends whatever is asked', () => {
    const target = new TestTarget();
    const other = new TestTarget();
    const { call } = run({ to: 'other' }, target.dispatch, { other: other.dispatch });
    target.last.sink.head(headOf(503));
    call.cancel();
    assert.deepEqual([target.last.isCancelled, other.last.isCancelled], [true, true]);
  });

  test('another service gets the same request, at another path if one is said', () => {
    const other = new TestTarget();
    const options = { to: 'other', path: '/archive{request.path}' };
    const target = '/v1/orders/7?full=1';
    run(options, failing(errors.circuitOpen), { other: other.dispatch }, { target });
    assert.equal(other.last.call.target, '/archive/v1/orders/7?full=1');
    run({ to: 'other' }, failing(errors.circuitOpen), { other: other.dispatch }, { target });
    assert.equal(other.last.call.target, target);
  });

  test('a request that may have been carried out is not given to another service', () => {
    const asked = (method: string, next: Dispatch, body: TestBody | null = null): boolean => {
      const other = new TestTarget();
      run([{ to: 'other' }, emptyList], next, { other: other.dispatch }, { method, body });
      return other.calls.length > 0;
    };
    /** Was sent, and failed with this. */
    const sent =
      (error = errors.upstreamReset): Dispatch =>
      (call, sink) => {
        if (call.exchange !== null) call.exchange.attempts++;
        sink.fail(error);
      };
    assert.equal(asked('POST', sent()), false);
    assert.equal(asked('POST', sent(errors.upstreamConnect)), false, 'an attempt before the last one was sent');
    assert.equal(asked('POST', answering(503)), false);
    assert.equal(asked('POST', failing(errors.upstreamConnect)), true);
    assert.equal(asked('POST', failing(errors.circuitOpen), new TestBody()), true);
    assert.equal(asked('PUT', sent()), true);
    assert.equal(asked('GET', answering(503)), true);
  });

  test('a body that was read and cannot be read again goes nowhere else', () => {
    const reads =
      (error = errors.upstreamReset): Dispatch =>
      (call, sink) => {
        call.body?.start({ takesFramed: false, passesContinue: false, data: () => true, end() {}, abort() {} });
        sink.fail(error);
      };
    const steps = [{ to: 'other' }, { handler: './offline.ts' }, emptyList];
    const others = { other: answering(200), './offline.ts': answering(200) };
    const put = (body: TestBody) => run(steps, reads(), others, { method: 'PUT', body }).marked();
    assert.equal(put(new TestBody()), 'respond');
    assert.equal(put(new TestBody(3, true)), 'to');
    assert.equal(
      run(steps.slice(1), failing(errors.upstreamConnect), others, { method: 'POST', body: new TestBody() }).marked(),
      'handler',
    );
  });

  test('an upgrade is answered, not made elsewhere', () => {
    const { dispatch } = behind([{ to: 'other' }, emptyList], failing(errors.upstreamConnect), {
      other: answering(200),
    });
    const sink = new TestSink();
    const call = callOf();
    call.upgrade = 'websocket';
    dispatch(call, sink);
    assert.equal(sink.headers['x-sluice-fallback'], 'respond');
  });

  test('a handler answers like any other step', () => {
    const others = { './offline.ts': answering(200, 'made here') };
    const { sink, marked, policy } = run({ handler: './offline.ts' }, failing(errors.upstreamTimeout), others);
    assert.deepEqual([sink.body, marked()], ['made here', 'handler']);
    assert.deepEqual(policy.events, [routeEvent('fallback', 'handler')]);
  });

  test('a kept response past its time is asked for beforehand, and known when it comes', () => {
    const cache: Dispatch = (call, sink) => {
      assert.equal(call.acceptsStale, true);
      call.servedStale = true;
      answering(200, 'of yesterday')(call, sink);
    };
    const { sink, marked, policy, call } = run(['stale', emptyList], cache);
    assert.deepEqual([sink.body, marked(), call.servedStale], ['of yesterday', 'stale', true]);
    assert.deepEqual(policy.events, [routeEvent('fallback', 'stale')]);
    assert.equal(run(['stale', emptyList], failing(errors.upstreamReset)).marked(), 'respond');
    const asks: boolean[] = [];
    run(emptyList, (each) => void asks.push(each.acceptsStale));
    assert.deepEqual(asks, [false]);
  });

  test('`stale` comes first, and needs something that keeps responses', () => {
    assert.deepEqual(problemsOf(fallback, [emptyList, 'stale']), ['Move it to the front.']);
    assert.deepEqual(problemsOf(fallback, []), ['Add a step such as `{ respond: { status: 503 } }`.']);
    const lacking = { placement: { setting: () => undefined } };
    const { problems } = compilePolicy(fallback, ['stale', emptyList], {}, undefined, undefined, lacking);
    assert.deepEqual(problems, [{ severity: 'warning', code: 'unused-setting', path: [0] }]);
  });

  test('a call of nobody’s request falls back too, and is counted for nobody', () => {
    const { sink, policy } = run(emptyList, failing(errors.upstreamConnect), {}, { exchange: null });
    assert.deepEqual([sink.events, policy.events], [['head 503', 'end'], []]);
  });

  test('says what it names, where that stands', () => {
    const references = (options: unknown) => fallback.references?.(fallback.schema.parse(options) as never);
    assert.deepEqual(references(['stale', { to: 'a' }, { handler: './b.ts' }, emptyList]), [
      { kind: 'upstream', name: 'a', path: [1, 'to'] },
      { kind: 'handler', name: './b.ts', path: [2, 'handler'] },
    ]);
    assert.deepEqual(references({ on: 500, steps: { to: 'a' } }), [
      { kind: 'upstream', name: 'a', path: ['steps', 0, 'to'] },
    ]);
  });

  test('the exchange of an answered request knows why', () => {
    const exchange = exchangeOf();
    run(emptyList, answering(503), {}, { exchange });
    assert.deepEqual([exchange.fallback, exchange.error], ['respond', null]);
  });
});
