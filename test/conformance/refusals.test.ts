import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { answering, askOnce, connectRaw, OK, type RawUpstream, startRawUpstream } from '../support/raw.ts';
import { type Runtime, startRuntime } from '../support/runtime.ts';

/** What a client gets, byte for byte, when the gateway cannot make a request of what it sent. */
suite('refusals', { concurrency: false }, () => {
  let upstream: RawUpstream;
  let runtime: Runtime;

  before(async () => {
    upstream = await startRawUpstream(
      answering(({ target }) =>
        target === '/upgrade' ? 'HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n' : OK,
      ),
    );
    runtime = await startRuntime({ upstreams: upstream.url, limits: { headTimeout: 150, bodyTimeout: 150 } });
  });

  after(async () => {
    runtime.stop();
    await upstream.close();
  });

  const problems: readonly [bytes: string, status: string, code: string, title: string][] = [
    ['GET / HTTP/1.1\nHost: a\r\n\r\n', '400 Bad Request', 'malformed_request', 'The request is not valid HTTP'],
    [
      `GET /${'a'.repeat(10_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
      '414 URI Too Long',
      'uri_too_long',
      'The request target is too long',
    ],
    [
      `GET / HTTP/1.1\r\nX: ${'a'.repeat(40_000)}\r\n\r\n`,
      '431 Request Header Fields Too Large',
      'headers_too_large',
      'The request header fields are too large',
    ],
    [
      'GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n',
      '417 Expectation Failed',
      'expectation_failed',
      'The expectation cannot be met',
    ],
    [
      'GET / HTTP/3.0\r\nHost: a\r\n\r\n',
      '505 HTTP Version Not Supported',
      'http_version_not_supported',
      'The HTTP version is not supported',
    ],
    ['GET / HTTP/1.1\r\nHost:', '408 Request Timeout', 'request_timeout', 'The request did not arrive in time'],
  ];

  for (const [bytes, status, code, title] of problems) {
    test(`${status} is complete`, async () => {
      const { text } = await askOnce(runtime.port, bytes);
      const problem = JSON.stringify({
        type: `urn:sluice:problem:${code}`,
        title,
        status: Number(status.slice(0, 3)),
        code,
        requestId: '0'.repeat(32),
      });
      assert.equal(
        text.replace(/[0-9a-f]{32}/, '0'.repeat(32)).replace(/\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT/, 'now'),
        [
          `HTTP/1.1 ${status}`,
          'content-type: application/problem+json',
          `content-length: ${problem.length + 1}`,
          'date: now',
          'connection: close',
          '',
          `${problem}\n`,
        ].join('\r\n'),
      );
    });
  }

  test('408 when a body stops', async () => {
    const client = await connectRaw(runtime.port);
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe');
    await client.untilClosed();
    const { status, field } = await client.response();
    assert.deepEqual([status, field('connection')], [408, 'close']);
    client.destroy();
  });

  test('a connection without a byte is closed without one', async () => {
    const client = await connectRaw(runtime.port);
    await client.untilClosed();
    assert.equal(client.text, '');
    client.destroy();
  });

  test('a client that sends on still gets the refusal', async () => {
    const client = await connectRaw(runtime.port);
    client.send(`GET / HTTP/1.1\r\nBroken\r\n\r\n${'a'.repeat(1_000_000)}`);
    await client.untilClosed();
    assert.equal((await client.response()).status, 400);
    assert.equal(client.error, null);
    client.destroy();
  });

  test('101 to another protocol than the one that was asked for is none', async () => {
    const client = await connectRaw(runtime.port);
    client.send('GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
    assert.equal((await client.response()).status, 502);
    client.destroy();
  });
});
