import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { freePort, startUpstream, until } from '../../test/harness.ts';
import {
  answering,
  OK,
  type RawPeer,
  type RawUpstream,
  readRequests,
  startRawUpstream,
} from '../../test/support/raw.ts';
import { fieldName, HeaderBlock } from '../base/headers.ts';
import { type ServiceAnswer, ServiceError, type ServiceOptions, type ServiceRequest } from '../plan/service.ts';
import { PooledService } from './service.ts';

/** Far beyond what any of these answers takes. */
const PATIENT = 20_000;

function serviceAt(url: string, options: Partial<ServiceOptions> = {}): PooledService & AsyncDisposable {
  const service = new PooledService({ url, timeout: PATIENT, maxBody: 1_000, ...options });
  return Object.assign(service, { [Symbol.asyncDispose]: async () => service.close() });
}

function get(target = '/check', fields: Iterable<readonly [string, string]> = []): ServiceRequest {
  return { method: 'GET', target, headers: HeaderBlock.of(fields), body: null };
}

async function failureOf(answer: Promise<ServiceAnswer>): Promise<ServiceError> {
  try {
    await answer;
  } catch (error) {
    assert.ok(error instanceof ServiceError, String(error));
    return error;
  }
  assert.fail('it was answered');
}

async function rawUpstream(onConnection?: (peer: RawPeer) => void): Promise<RawUpstream & AsyncDisposable> {
  const upstream = await startRawUpstream(onConnection);
  return Object.assign(upstream, { [Symbol.asyncDispose]: () => upstream.close() });
}

/** Answers whatever it is asked with these bytes, and closes when there is nothing else. */
function saying(bytes: string, then: 'stay' | 'end' | 'reset' = 'stay') {
  return (peer: RawPeer): void => {
    peer.onBytes(() => {
      peer.send(bytes);
      if (then === 'end') peer.end();
      if (then === 'reset') setImmediate(() => peer.reset());
    });
  };
}

describe('what a service is asked', () => {
  test('the request line, the host of its URL, the given fields, and nothing else', async () => {
    await using upstream = await rawUpstream(answering(() => OK));
    await using service = serviceAt(`${upstream.url}/ignored?by=it`);
    const answer = await service.ask(get('/check?a=1', [['authorization', 'Bearer x']]));
    assert.equal(answer.status, 200);
    assert.equal(answer.body.toString(), 'ok');
    assert.equal(
      upstream.connections[0]?.text,
      `GET /check?a=1 HTTP/1.1\r\nhost: 127.0.0.1:${upstream.port}\r\nauthorization: Bearer x\r\n\r\n`,
    );
  });

  test('a body has its length in bytes, an empty one too', async () => {
    const bodies: string[] = [];
    await using upstream = await startUpstream(async (request, response) => {
      const chunks = await Array.fromAsync(request);
      bodies.push(`${request.headers['content-length']} ${Buffer.concat(chunks).toString()}`);
      response.end();
    });
    await using service = serviceAt(upstream.url);
    for (const body of ['token=é', '', null]) {
      await service.ask({ method: 'POST', target: '/', headers: new HeaderBlock(), body });
    }
    assert.deepEqual(bodies, ['8 token=é', '0 ', 'undefined ']);
  });

  test('questions in a row use one connection, and answers stay what they were', async () => {
    let count = 0;
    await using upstream = Object.assign(
      await startRawUpstream(
        answering(() => `HTTP/1.1 200 OK\r\nx-user: ${++count}\r\ncontent-length: 1\r\n\r\n${count}`),
      ),
      { [Symbol.asyncDispose]: () => upstream.close() },
    );
    await using service = serviceAt(upstream.url);
    const answers: ServiceAnswer[] = [];
    for (let i = 0; i < 5; i++) answers.push(await service.ask(get()));
    assert.equal(upstream.connections.length, 1);
    assert.deepEqual(
      answers.map(({ headers, body }) => `${headers.get(fieldName('x-user'))} ${body}`),
      ['1 1', '2 2', '3 3', '4 4', '5 5'],
    );
  });

  test('many at once are answered each with its own', async () => {
    await using upstream = await startUpstream((request, response) => {
      setTimeout(() => response.end(request.url), Number(request.url?.slice(1)) % 7);
    });
    await using service = serviceAt(upstream.url);
    const targets = Array.from({ length: 600 }, (_, i) => `/${i}`);
    const answers = await Promise.all(targets.map((target) => service.ask(get(target))));
    assert.deepEqual(
      answers.map(({ body }) => body.toString()),
      targets,
    );
  });
});

describe('answers', () => {
  const good: [what: string, bytes: string, then: 'stay' | 'end', status: number, body: string][] = [
    ['any status', 'HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n', 'stay', 503, ''],
    [
      'chunked',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n',
      'stay',
      200,
      'abc',
    ],
    ['delimited by the end', 'HTTP/1.1 200 OK\r\n\r\nabc', 'end', 200, 'abc'],
    ['after 103', 'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n', 'stay', 204, ''],
  ];
  for (const [what, bytes, then, status, body] of good) {
    test(`${what}: whole`, async () => {
      await using upstream = await rawUpstream(saying(bytes, then));
      await using service = serviceAt(upstream.url);
      const answer = await service.ask(get());
      assert.deepEqual([answer.status, answer.body.toString()], [status, body]);
    });
  }

  test('to HEAD has no body, whatever length it speaks of', async () => {
    await using upstream = await rawUpstream(saying('HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n'));
    await using service = serviceAt(upstream.url);
    const answer = await service.ask({ ...get(), method: 'HEAD' });
    assert.equal(answer.body.length, 0);
  });

  const large = 'x'.repeat(1_001);
  const bad: [what: string, bytes: string, then: 'stay' | 'end' | 'reset', reason: ServiceError['reason']][] = [
    ['garbage', 'SSH-2.0-OpenSSH_9.9\r\n\r\n', 'stay', 'malformed'],
    [
      'a header of two readings',
      'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab',
      'stay',
      'malformed',
    ],
    [
      'a bare LF in a value',
      'HTTP/1.1 200 OK\r\nx-user: a\nx-admin: 1\r\ncontent-length: 0\r\n\r\n',
      'stay',
      'malformed',
    ],
    ['a bad chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n', 'stay', 'malformed'],
    ['another protocol', 'HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n', 'stay', 'malformed'],
    ['half a head', 'HTTP/1.1 200 OK\r\ncontent-le', 'end', 'malformed'],
    ['half a body', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf', 'end', 'reset'],
    ['a reset inside the body', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf', 'reset', 'reset'],
    ['no answer', '', 'end', 'reset'],
    ['a declared length past the bound', 'HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n', 'stay', 'too-large'],
    [
      'chunks past the bound',
      `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3e9\r\n${large}`,
      'stay',
      'too-large',
    ],
    ['an open end past the bound', `HTTP/1.1 200 OK\r\n\r\n${large}`, 'stay', 'too-large'],
  ];
  for (const [what, bytes, then, reason] of bad) {
    test(`${what}: ${reason}, and the connection is gone`, async () => {
      await using upstream = await rawUpstream(saying(bytes, then));
      await using service = serviceAt(upstream.url);
      assert.equal((await failureOf(service.ask(get()))).reason, reason);
      await until('the connection is gone', () => upstream.connections.every(({ closed, ended }) => closed || ended));
    });
  }
});

describe('a service in trouble', () => {
  test('refused connections say which service, without the credentials of its URL', async () => {
    const port = await freePort();
    await using service = serviceAt(`http://user:password@127.0.0.1:${port}/`);
    const failure = await failureOf(service.ask(get()));
    assert.equal(failure.reason, 'connect');
    assert.equal(failure.message, `http://127.0.0.1:${port} cannot be reached`);
  });

  test('a slow answer ends at the limit, its connection too', async () => {
    await using upstream = await rawUpstream();
    await using service = serviceAt(upstream.url, { timeout: 100 });
    assert.equal((await failureOf(service.ask(get()))).reason, 'timeout');
    await until('the connection is gone', () => upstream.connections[0]?.ended);
  });

  test('an answer that trickles on does not move the limit', async () => {
    await using upstream = await rawUpstream((peer) => {
      peer.onBytes(() => {
        peer.send('HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n');
        const dripping = setInterval(() => peer.send('x'), 20);
        peer.socket.once('close', () => clearInterval(dripping));
      });
    });
    await using service = serviceAt(upstream.url, { timeout: 200 });
    assert.equal((await failureOf(service.ask(get()))).reason, 'timeout');
  });

  test('a kept connection that died is no failure for what may be repeated, and is one for a POST', async () => {
    await using upstream = await rawUpstream((peer) => {
      peer.onBytes(() => {
        const { requests } = readRequests(peer.bytes);
        if (requests.length === 1) peer.send(OK);
        else peer.destroy();
      });
    });
    await using service = serviceAt(upstream.url);
    for (let i = 0; i < 3; i++) assert.equal((await service.ask(get())).status, 200);
    const post = { method: 'POST', target: '/', headers: new HeaderBlock(), body: 'a=b' };
    assert.equal((await failureOf(service.ask(post))).reason, 'reset');
  });

  test('more than may wait are refused at once', async () => {
    await using upstream = await rawUpstream();
    const service = serviceAt(upstream.url);
    const failures = Array.from({ length: 1_400 }, () => failureOf(service.ask(get())));
    await until('connections are open', () => upstream.connections.length === 256);
    service.close();
    const reasons = (await Promise.all(failures)).map(({ reason }) => reason);
    assert.equal(reasons.filter((reason) => reason === 'busy').length, 1_400 - 256 - 1_024);
    assert.equal(reasons.filter((reason) => reason === 'reset').length, 256 + 1_024);
    await until('all are gone', () => upstream.connections.every(({ ended, closed }) => ended || closed));
  });

  test('closing ends what is under way and what is idle, and refuses what comes', async () => {
    await using upstream = await rawUpstream((peer) => {
      peer.onBytes(() => {
        if (peer.text.includes('/quick')) peer.send(OK);
      });
    });
    const service = serviceAt(upstream.url);
    const slow = failureOf(service.ask(get('/slow')));
    await service.ask(get('/quick'));
    await until('both have arrived', () => upstream.connections.length === 2);
    service.close();
    assert.equal((await slow).reason, 'reset');
    assert.equal((await failureOf(service.ask(get('/quick')))).reason, 'reset');
    await until('both are gone', () => upstream.connections.every(({ ended, closed }) => ended || closed));
  });
});
