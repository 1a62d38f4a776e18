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
import { compilePolicy } from '../../test/support/policy.ts';
import { errors } from '../base/gateway-error.ts';
import { fieldName } from '../base/headers.ts';
import type { BodySource, Dispatch, UpstreamCall } from '../plan/call.ts';
import { routeEvent } from '../plan/route-events.ts';
import { mirror } from './mirror.ts';

const [answered, failed, skipped] = (['answered', 'failed', 'skipped'] as const).map((name) =>
  routeEvent('mirror', name),
);
const until = async (what: () => boolean): Promise<void> => {
  for (let i = 0; i < 500 && !what(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(what());
};

function mirroring(options: object = {}, next: Dispatch = answering(200, 'mine')) {
  const other = new TestTarget();
  const { hooks, events } = compilePolicy(
    mirror,
    { to: 'next', ...options },
    {},
    undefined,
    { headers: ['x-api-key'], parameters: [] },
    { upstreams: { next: other.dispatch }, identityFields: ['x-user-id'] },
  );
  const dispatch = hooks[0]?.dispatch?.wrap(next, null) ?? assert.fail('it compiles to a layer');
  const ask = (facts: CallFacts = {}) => {
    const sink = new TestSink();
    const call = callOf(facts);
    dispatch(call, sink);
    return { sink, call };
  };
  return { other, events, ask };
}

/** Takes a body the way that a connection does. */
class TakingTarget {
  body = '';
  ends = 0;
  source: BodySource | null = null;

  readonly dispatch: Dispatch = (call) => {
    this.source = call.body;
    this.start();
  };

  start(): void {
    this.source?.start({
      takesFramed: true,
      passesContinue: true,
      data: (chunk) => {
        this.body += chunk.bytes.toString('latin1', chunk.start, chunk.end);
        return true;
      },
      end: () => {
        this.ends++;
      },
      abort: () => undefined,
    });
  }
}

/** The body of a copy. */
function bodyOf({ body }: UpstreamCall): string {
  let text = '';
  body?.start({
    takesFramed: false,
    passesContinue: false,
    data: (chunk) => {
      text += chunk.bytes.toString('latin1', chunk.start, chunk.end);
      return true;
    },
    end: () => undefined,
    abort: () => undefined,
  });
  return text;
}

describe('mirror', () => {
  test('sends a copy of its own, marked, and the caller gets the service’s answer', () => {
    const { other, events, ask } = mirroring();
    const { sink, call } = ask({ target: '/v1/orders/7?a=1', headers: [['x-tenant', 'acme']] });
    assert.equal(sink.body, 'mine');
    const copy = other.last;
    assert.deepEqual([copy.call.method, copy.call.target], ['GET', '/v1/orders/7?a=1']);
    assert.equal(copy.call.headers.get(fieldName('x-sluice-mirror')), '1');
    assert.equal(copy.call.headers.get(fieldName('x-tenant')), 'acme');
    assert.equal(call.headers.has(fieldName('x-sluice-mirror')), false);
    assert.deepEqual([copy.call.exchange, call.exchange?.attempts], [null, 0]);
    copy.sink.head(headOf(200));
    assert.equal(copy.sink.data(chunkOf('thrown away')), true);
    copy.sink.end(null);
    assert.deepEqual([sink.events, events], [['head 200', 'end'], [answered]]);
  });

  test('counts what became of it, and nothing more', () => {
    const { other, events, ask } = mirroring();
    const { sink } = ask();
    other.last.sink.fail(errors.upstreamConnect);
    ask();
    other.last.sink.head(headOf(503));
    other.last.sink.end(null);
    assert.deepEqual(
      [sink.events, events],
      [
        ['head 200', 'end'],
        [failed, failed],
      ],
    );
  });

  test('a copy goes on when the caller has gone', () => {
    const target = new TestTarget();
    const { other, ask } = mirroring({}, target.dispatch);
    ask().call.cancel();
    assert.deepEqual([target.last.isCancelled, other.last.isCancelled], [true, false]);
  });

  test('an exception on its way is its own', () => {
    const { hooks, events } = compilePolicy(mirror, 'next', {}, undefined, undefined, {
      upstreams: {
        next: () => {
          throw new Error('a defect');
        },
      },
    });
    const sink = new TestSink();
    hooks[0]?.dispatch?.wrap(answering(200, 'mine'), null)(callOf(), sink);
    assert.deepEqual([sink.body, events], ['mine', [failed]]);
  });

  test('a share of the requests is a share of the copies', () => {
    const { other, ask } = mirroring({ share: '10%', maxInFlight: 10_000 });
    for (let i = 0; i < 2_000; i++) ask();
    assert.ok(other.calls.length > 120 && other.calls.length < 290, String(other.calls.length));
  });

  test('only so many are under way, and the others are served without', () => {
    const { other, events, ask } = mirroring({ maxInFlight: 2 });
    for (let i = 0; i < 4; i++) assert.equal(ask().sink.body, 'mine');
    assert.deepEqual([other.calls.length, events], [2, [skipped, skipped]]);
    other.last.sink.fail(errors.upstreamReset);
    ask();
    assert.equal(other.calls.length, 3);
  });

  test('one that takes too long is given up', async () => {
    const { other, events, ask } = mirroring({ timeout: '10ms' });
    ask();
    await until(() => other.last.isCancelled);
    assert.deepEqual(events, [failed]);
  });

  test('says who calls as the service is told, or leaves that out in every spelling', () => {
    const headers: [string, string][] = [
      ['authorization', 'Bearer x'],
      ['cookie', 'sid=1'],
      ['x-api-key', 'k'],
      ['X_User_Id', '7'],
      ['x-tenant', 'acme'],
    ];
    const names = (credentials: boolean): string[] => {
      const { other, ask } = mirroring({ credentials });
      const { call } = ask({ headers });
      const found: string[] = [];
      other.last.call.headers.forEach((name) => {
        found.push(name);
      });
      assert.ok(call.headers.has(fieldName('authorization')), 'the service gets its own');
      return found;
    };
    assert.deepEqual(names(true), ['authorization', 'cookie', 'x-api-key', 'x_user_id', 'x-tenant', 'x-sluice-mirror']);
    assert.deepEqual(names(false), ['x-tenant', 'x-sluice-mirror']);
  });

  test('upgrades and calls of nobody’s request are not copied', () => {
    const { other, ask } = mirroring();
    ask({ exchange: null });
    const exchange = exchangeOf();
    exchange.upgrade = 'websocket';
    const call = callOf({ exchange });
    call.upgrade = 'websocket';
    const { hooks } = compilePolicy(mirror, 'next', {}, undefined, undefined, { upstreams: { next: other.dispatch } });
    hooks[0]?.dispatch?.wrap(failing(errors.upstreamReset), null)(call, new TestSink());
    assert.equal(other.calls.length, 0);
  });
});

describe('the body of a copy', () => {
  const sent = (options: object, send: (body: TestBody) => void, size = -1) => {
    const target = new TakingTarget();
    const { other, events, ask } = mirroring(options, target.dispatch);
    const body = new TestBody(size);
    ask({ method: 'POST', body });
    send(body);
    return { target, other, events, body };
  };

  test('is sent when it is whole, and the service’s does not wait for it', () => {
    const { target, other, body } = sent({}, (each) => each.send('hello '));
    assert.deepEqual([target.body, other.calls.length], ['hello ', 0]);
    body.send('world');
    body.end();
    assert.deepEqual([target.body, target.ends], ['hello world', 1]);
    assert.equal(bodyOf(other.last.call), 'hello world');
    assert.equal(other.last.call.body?.size, 11);
  });

  test('is bounded, whether its size is said beforehand or not', () => {
    const tooLarge = (size: number) => {
      const { target, other, events } = sent(
        { maxBody: '4B' },
        (body) => {
          body.send('abc');
          body.send('def');
          body.end();
        },
        size,
      );
      assert.deepEqual([target.body, target.ends, other.calls.length, events], ['abcdef', 1, 0, [skipped]]);
    };
    tooLarge(-1);
    tooLarge(6);
  });

  test('that does not come to its end is not sent', () => {
    for (const stop of [
      (body: TestBody) => body.sink?.abort(errors.clientClosed),
      (_body: TestBody, target: TakingTarget) => target.source?.cancel(),
    ]) {
      const { other, events, body, target } = sent({}, (each) => each.send('hello'));
      stop(body, target);
      assert.deepEqual([other.calls.length, events], [0, [skipped]]);
    }
  });

  test('that never comes is given up in time', async () => {
    const { events } = sent({ timeout: '10ms' }, (body) => body.send('hello'));
    await until(() => events.length === 1);
    assert.deepEqual(events, [skipped]);
  });

  test('is copied once, however often the service is asked', () => {
    const { target, other, body } = sent({}, (each) => each.send('one'));
    target.start();
    body.send('two');
    body.end();
    target.start();
    body.send('two');
    body.end();
    assert.deepEqual(
      other.calls.map(({ call }) => bodyOf(call)),
      ['two'],
    );
  });
});
