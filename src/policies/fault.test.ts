import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { answering, type CallFacts, callOf, TestSink } from '../../test/support/dispatch.ts';
import { compilePolicy, problemsOf } from '../../test/support/policy.ts';
import { fieldName } from '../base/headers.ts';
import { routeEvent } from '../plan/route-events.ts';
import { seededRandom } from '../semantics/seeded-random.ts';
import { fault } from './fault.ts';

const [delayed, aborted] = [routeEvent('fault', 'delay'), routeEvent('fault', 'abort')];

function faulty(options: object) {
  const { hooks, events, problems } = compilePolicy(fault, options);
  const dispatch = hooks[0]?.dispatch?.wrap(answering(200), null) ?? assert.fail('it compiles to a layer');
  const ask = (facts: CallFacts = {}) => {
    const sink = new TestSink();
    const call = callOf(facts);
    dispatch(call, sink);
    return { sink, call };
  };
  return { ask, events, problems, words: hooks[0]?.dispatch?.words };
}

describe('fault', () => {
  test('answers as the service would, or fails as it would', () => {
    assert.deepEqual(faulty({ abort: 503 }).ask().sink.events, ['head 503', 'end']);
    for (const [error, code] of [
      ['connect', 'upstream_connect_failed'],
      ['reset', 'upstream_reset'],
      ['timeout', 'upstream_timeout'],
    ]) {
      const { ask, events } = faulty({ abort: { error } });
      assert.deepEqual(ask().sink.events, [code]);
      assert.deepEqual(events, [aborted]);
    }
  });

  test('is said to be on', () => {
    const { problems, words } = faulty({
      delay: { time: '2s', share: '10%' },
      abort: { status: 503, share: '5%' },
      seed: 1,
    });
    assert.deepEqual(problems, [{ severity: 'warning', code: 'fault-injection', path: [] }]);
    assert.equal(words, 'on purpose, 10% wait 2s, 5% are answered 503, by seed 1');
  });

  test('lets requests wait', async () => {
    const { ask, events } = faulty({ delay: '20ms' });
    const startedAt = performance.now();
    const { sink } = ask();
    assert.deepEqual(sink.events, []);
    while (!sink.ended) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.ok(performance.now() - startedAt >= 19);
    assert.deepEqual([sink.events, events], [['head 200', 'end'], [delayed]]);
  });

  test('whoever goes away while waiting is not asked for', async () => {
    const { ask } = faulty({ delay: '20ms' });
    const { sink, call } = ask();
    call.cancel();
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.deepEqual(sink.events, []);
  });

  test('concerns those that have the header, or for which the condition holds', () => {
    const byHeader = faulty({ header: 'x-drill', abort: 503 });
    assert.equal(byHeader.ask().sink.status, 200);
    const asked = callOf();
    asked.exchange?.headers.set(fieldName('x-drill'), '1');
    assert.equal(byHeader.ask({ exchange: asked.exchange }).sink.status, 503);
    const byCondition = faulty({ when: "request.method == 'DELETE'", abort: 503 });
    assert.equal(byCondition.ask().sink.status, 200);
    assert.equal(byCondition.ask({ method: 'DELETE' }).sink.status, 503);
    assert.equal(byHeader.ask({ exchange: null }).sink.status, 200, 'nobody’s request is nobody’s drill');
  });

  test('a share is a share, and the same one with a seed', () => {
    const choice = (): string => {
      const { ask } = faulty({ abort: { status: 503, share: '20%' }, seed: 7 });
      return Array.from({ length: 1_000 }, () => (ask().sink.status === 503 ? 'x' : '.')).join('');
    };
    const chosen = choice();
    assert.equal(choice(), chosen);
    const count = chosen.replaceAll('.', '').length;
    assert.ok(count > 140 && count < 260, String(count));
  });

  test('does something, or is refused', () => {
    assert.deepEqual(problemsOf(fault, { header: 'x-drill' }), ['Add `delay` or `abort`.']);
    assert.equal(problemsOf(fault, { abort: { status: 503, error: 'reset' } }).length, 1);
  });
});

test('seeded numbers are spread evenly', () => {
  const random = seededRandom(42);
  const buckets = new Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i++) {
    const value = random();
    assert.ok(value >= 0 && value < 1);
    const at = Math.floor(value * 10);
    buckets[at] = (buckets[at] as number) + 1;
  }
  for (const count of buckets) assert.ok(count > 850 && count < 1_150, String(count));
});
