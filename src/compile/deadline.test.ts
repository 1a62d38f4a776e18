import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchangeOf } from '../../test/support/exchange.ts';
import { errors, type GatewayError } from '../base/gateway-error.ts';
import { HeaderBlock } from '../base/headers.ts';
import { type Sink, UpstreamCall } from '../plan/call.ts';
import { withDeadline } from './deadline.ts';

const call = () => new UpstreamCall('GET', '/', 'h', new HeaderBlock(), null, null);

function sink(fail: (error: GatewayError) => void, end: () => void = () => undefined): Sink {
  return {
    takesFramed: true,
    informational: () => undefined,
    head: () => undefined,
    data: () => true,
    end,
    upgrade: () => undefined,
    fail,
  };
}

test('a dispatch that takes too long is cancelled and fails', async () => {
  const slow = call();
  let cancelled = 0;
  const error = await new Promise<GatewayError>((resolve) => {
    const dispatch = withDeadline(10, (each) => {
      each.runner = { resumeCall: () => undefined, cancelCall: () => cancelled++ };
    });
    dispatch(slow, sink(resolve));
    // The wheel does not keep a process alive.
    setTimeout(() => undefined, 500);
  });
  assert.equal(error, errors.upstreamTimeout);
  assert.equal(cancelled, 1);
});

test('what ends in time passes as it is', () => {
  let ends = 0;
  const dispatch = withDeadline(10_000, (_call, inner) => {
    assert.equal(inner.takesFramed, true);
    inner.end(null);
  });
  dispatch(
    call(),
    sink(
      () => assert.fail('it ended in time'),
      () => ends++,
    ),
  );
  assert.equal(ends, 1);
});

test('a dispatch behind another layer is bounded too, and one that nobody waits for is left alone', async () => {
  const slow = (stopped: () => void) =>
    withDeadline(10, (each) => {
      each.runner = { resumeCall: () => undefined, cancelCall: stopped };
    });
  let cancelled = 0;
  const forgotten = call();
  slow(() => cancelled++)(
    forgotten,
    sink(() => assert.fail('nobody waits for it')),
  );
  forgotten.cancel();
  assert.equal(cancelled, 1);
  const exchange = exchangeOf();
  exchange.call = call();
  const behind = exchange.call.again();
  behind.exchange = exchange;
  const error = await new Promise<GatewayError>((resolve) => {
    slow(() => cancelled++)(behind, sink(resolve));
    setTimeout(() => undefined, 500);
  });
  assert.equal(error, errors.upstreamTimeout);
  assert.equal(cancelled, 2);
});
