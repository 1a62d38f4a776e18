import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { withClientDeadline, withDeadline } from '../../src/compile/deadline.ts';
import type { Dispatch } from '../../src/plan/call.ts';
import type { DeadlineHeader, UpstreamOptions } from '../../src/plan/upstream.ts';
import type { UpstreamPool } from '../../src/runtime/pool.ts';
import { handRoute } from '../support/plan.ts';
import { answering, connectRaw, OK, startRawUpstream } from '../support/raw.ts';
import { startResilient } from '../support/resilient.ts';
import { startRuntime } from '../support/runtime.ts';
import type { StrictRequest } from '../support/strict-http.ts';

/** What services are told about the time that is left. */

const header: DeadlineHeader = { name: 'x-request-timeout', format: 'ms', trust: false };

/** What arrives of a request with these fields. */
async function arrived(
  context: TestContext,
  options: Partial<UpstreamOptions>,
  fields: string[] = [],
  around: (pool: UpstreamPool) => Dispatch = ({ dispatch }) => dispatch,
): Promise<string | undefined> {
  let seen: StrictRequest | null = null;
  const upstream = await startRawUpstream(
    answering((request) => {
      seen = request;
      return OK;
    }),
  );
  context.after(() => upstream.close());
  using gateway = await startRuntime({
    upstreams: upstream.url,
    upstreamOptions: options,
    routes: (pool) => ({ '/*': handRoute({ dispatch: around(pool('main')) }) }),
  });
  const client = await connectRaw(gateway.port);
  client.send(`${['GET / HTTP/1.1', 'host: a', ...fields].join('\r\n')}\r\n\r\n`);
  assert.equal((await client.response()).status, 200);
  client.destroy();
  return (seen as StrictRequest | null)?.field(options.deadlineHeader?.name ?? header.name);
}

const inRoute =
  (milliseconds: number) =>
  ({ dispatch }: UpstreamPool): Dispatch =>
    withDeadline(milliseconds, dispatch);

function isAbout(text: string | undefined, most: number): void {
  const value = Number(text);
  assert.ok(value <= most && value > most - 1_000, String(text));
}

describe('the time that is left', () => {
  test('is not the client’s to say where others wait for the same answer', async (context) => {
    const trusted: DeadlineHeader = { ...header, trust: true };
    const forOthers = ({ dispatch }: UpstreamPool): Dispatch => {
      const bounded = withDeadline(5_000, withClientDeadline(trusted, dispatch));
      return (call, sink) => {
        call.isForOthers = true;
        bounded(call, sink);
      };
    };
    const left = await arrived(context, { deadlineHeader: trusted }, ['x-request-timeout: 50'], forOthers);
    isAbout(left, 5_000);
  });

  test('is nobody’s business unless that is configured', async (context) => {
    assert.equal(await arrived(context, {}, [], inRoute(5_000)), undefined);
  });

  test('is that of the route, or of the upstream if that is less', async (context) => {
    isAbout(await arrived(context, { deadlineHeader: header }, [], inRoute(5_000)), 5_000);
    isAbout(await arrived(context, { deadlineHeader: header, totalTimeout: 3_000 }, [], inRoute(5_000)), 3_000);
    isAbout(await arrived(context, { deadlineHeader: header, totalTimeout: 9_000 }, [], inRoute(5_000)), 5_000);
  });

  test('is what the gateway says, never what the client does', async (context) => {
    const fields = ['X-Request-Timeout: 1', 'x-request-timeout: 2'];
    isAbout(await arrived(context, { deadlineHeader: header }, fields, inRoute(5_000)), 5_000);
    assert.equal(await arrived(context, { deadlineHeader: header }, fields), undefined);
  });

  test('is written as the service reads it', async (context) => {
    const seconds = await arrived(context, { deadlineHeader: { ...header, format: 's' } }, [], inRoute(5_000));
    isAbout(String(Number(seconds) * 1_000), 5_000);
    const grpc: DeadlineHeader = { name: 'grpc-timeout', format: 'grpc', trust: false };
    assert.match((await arrived(context, { deadlineHeader: grpc }, [], inRoute(5_000))) ?? '', /^4\d{3}m$|^5000m$/);
  });

  test('may be shortened by the client where that is configured, and only shortened', async (context) => {
    const trusted: DeadlineHeader = { ...header, trust: true };
    const around =
      (route: number) =>
      ({ dispatch }: UpstreamPool): Dispatch =>
        withDeadline(route, withClientDeadline(trusted, dispatch));
    const options = { deadlineHeader: trusted };
    isAbout(await arrived(context, options, ['x-request-timeout: 2000'], around(5_000)), 2_000);
    isAbout(await arrived(context, options, ['x-request-timeout: 60000'], around(5_000)), 5_000);
    isAbout(await arrived(context, options, ['x-request-timeout: soon'], around(5_000)), 5_000);
  });

  test('and then bounds the call', async (context) => {
    const upstream = await startRawUpstream();
    context.after(() => upstream.close());
    using gateway = await startRuntime({
      upstreams: upstream.url,
      routes: (pool) => ({ '/*': handRoute({ dispatch: withClientDeadline(header, pool('main').dispatch) }) }),
    });
    const client = await connectRaw(gateway.port);
    client.send('GET / HTTP/1.1\r\nhost: a\r\nx-request-timeout: 100\r\n\r\n');
    assert.equal((await client.response()).status, 504);
    client.destroy();
  });

  test('is less for each further attempt, and their end is the end of all', async (context) => {
    const rests: number[] = [];
    const upstream = await startRawUpstream(
      answering((request) => {
        rests.push(Number(request.field(header.name)));
        return 'HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\n\r\n';
      }),
    );
    context.after(() => upstream.close());
    using gateway = await startResilient({
      urls: [upstream.url],
      retry: { attempts: 10, budget: '100%' },
      upstreamOptions: { deadlineHeader: header, totalTimeout: 2_500 },
    });
    const client = await connectRaw(gateway.port);
    client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    assert.equal((await client.response()).status, 503);
    client.destroy();
    assert.equal(rests.length, 3);
    const [first = 0, second = 0, third = 0] = rests;
    assert.ok(first > second && second > third && third > 0, rests.join(' '));
  });
});
