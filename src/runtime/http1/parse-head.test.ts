import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { fieldName } from '../../base/headers.ts';
import { LookAlikes } from '../../base/look-alikes.ts';
import { MessageHead } from './message-head.ts';
import { parseRequestHead, parseResponseHead, parseTrailers } from './parse-head.ts';

/** `test/conformance` has what is refused and why; here is what a parsed head says, and where it ends. */

const limits = { maxHead: 32_768, maxTarget: 8_192, maxFields: 100 };
const parsers = { request: parseRequestHead, response: parseResponseHead, trailers: parseTrailers };

function parse(kind: keyof typeof parsers, text: string, given: Partial<typeof limits> = {}, head = new MessageHead()) {
  const bytes = Buffer.from(text, 'latin1');
  const next = parsers[kind](bytes, 0, bytes.length, head, { ...limits, ...given });
  return { next, head, code: next < 0 ? head.error.code : null };
}

function request(...lines: string[]): MessageHead {
  const text = `GET / HTTP/1.1\r\nHost: a\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
  const { next, head } = parse('request', text);
  assert.equal(next, text.length);
  return head;
}

function response(...lines: string[]): MessageHead {
  const text = `HTTP/1.1 200 OK\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
  const { next, head } = parse('response', text);
  assert.equal(next, text.length);
  return head;
}

suite('request heads', () => {
  test('the example of RFC 9112, 2.1', () => {
    const text =
      'GET /hello.txt HTTP/1.1\r\nUser-Agent: curl/7.64.1\r\nHost: www.example.com\r\nAccept-Language: en, mi\r\n\r\n';
    const { next, head } = parse('request', `${text}rest`);
    assert.equal(next, text.length);
    const { method, target, version, host, contentLength, chunked, keepAlive, upgrade, expectContinue } = head;
    assert.deepEqual(
      { method, target, version, host, contentLength, chunked, keepAlive, upgrade, expectContinue },
      {
        method: 'GET',
        target: '/hello.txt',
        version: 11,
        host: 'www.example.com',
        contentLength: -1,
        chunked: false,
        keepAlive: true,
        upgrade: null,
        expectContinue: false,
      },
    );
    assert.equal(head.headers.serialize(), 'User-Agent: curl/7.64.1\r\nAccept-Language: en, mi\r\n');
    assert.equal(head.headers.get(fieldName('host')), 'www.example.com');
  });

  test('a head may begin and end anywhere in the bytes', () => {
    const text = 'POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nX: y\r\n\r\n';
    const bytes = Buffer.from(`before${text}behind`, 'latin1');
    const head = new MessageHead();
    assert.equal(parseRequestHead(bytes, 6, bytes.length, head, limits), 6 + text.length);
    assert.deepEqual([head.method, head.target, head.contentLength], ['POST', '/a', 3]);
    assert.equal(head.headers.serialize(), 'Content-Length: 3\r\nX: y\r\n');
  });

  test('the empty line before it is no part of it', () => {
    const { next, head } = parse('request', '\r\nGET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n');
    assert.equal(next, 35);
    assert.equal(head.headers.serialize(), 'X: y\r\n');
    assert.equal(parse('request', '\r\n').next, 0);
    assert.equal(parse('request', '\r').next, 0);
  });

  test('bytes are missing', () => {
    const text = 'GET / HTTP/1.1\r\nHost: a\r\nX: y \r\n\r\n';
    for (let length = 1; length < text.length; length++) assert.equal(parse('request', text.slice(0, length)).next, 0);
  });

  test('one object is used for head after head', () => {
    const head = new MessageHead();
    const full =
      'POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close, upgrade, x\r\nUpgrade: y\r\nTE: trailers\r\nExpect: 100-continue\r\nX: y\r\n\r\n';
    parse('request', full, {}, head);
    const { next } = parse('request', 'GET / HTTP/1.1\r\nHost: b\r\nX: z\r\n\r\n', {}, head);
    assert.ok(next > 0);
    const { method, host, contentLength, chunked, keepAlive, upgrade, expectContinue, takesTrailers } = head;
    assert.deepEqual(
      [method, host, contentLength, chunked, keepAlive, upgrade, expectContinue, takesTrailers],
      ['GET', 'b', -1, false, true, null, false, false],
    );
    assert.equal(head.headers.serialize(), 'X: z\r\n');
  });

  test('a failed head leaves nothing to the next', () => {
    const head = new MessageHead();
    parse('request', 'GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n', {}, head);
    const { next } = parse('request', 'GET / HTTP/1.1\r\nHost: b\r\n\r\n', {}, head);
    assert.ok(next > 0);
    assert.deepEqual([head.host, head.contentLength, head.headers.count], ['b', -1, 1]);
  });

  test('persistence by version and Connection', () => {
    const keeps = (version: string, ...lines: string[]): boolean =>
      parse('request', `GET / HTTP/${version}\r\nHost: a\r\n${lines.map((each) => `${each}\r\n`).join('')}\r\n`).head
        .keepAlive;
    assert.equal(keeps('1.1'), true);
    assert.equal(keeps('1.0'), false);
    assert.equal(keeps('1.0', 'Connection: keep-alive'), true);
    assert.equal(keeps('1.0', 'Connection: x, Keep-Alive'), true);
    assert.equal(keeps('1.1', 'Connection: close'), false);
    assert.equal(keeps('1.1', 'Connection: x, CLOSE'), false);
    assert.equal(keeps('1.1', 'Connection: close', 'Connection: keep-alive'), false);
    assert.equal(keeps('1.0', 'Connection: keep-alive', 'Connection: close'), false);
    assert.equal(keeps('1.1', 'Connection: closed'), true);
  });

  test('upgrades', () => {
    const upgrade = (...lines: string[]): string | null => request(...lines).upgrade;
    assert.equal(upgrade('Connection: Upgrade', 'Upgrade: WebSocket'), 'websocket');
    assert.equal(upgrade('Upgrade: foo/2, websocket', 'Connection: keep-alive, upgrade'), 'foo/2');
    assert.equal(upgrade('Upgrade: websocket'), null);
    assert.equal(upgrade('Connection: upgrade'), null);
    assert.equal(upgrade('Connection: upgrade', 'Upgrade:'), null);
    assert.equal(upgrade('Connection: upgrade', 'Upgrade: h2c'), null);
    assert.equal(upgrade('Connection: upgrade', 'Upgrade: web socket'), null);
    assert.equal(upgrade('Connection: upgrade', 'Upgrade: websocket', 'Content-Length: 1'), null);
    assert.equal(upgrade('Connection: upgrade', 'Upgrade: websocket', 'Content-Length: 0'), 'websocket');
  });

  test('trailers are taken by whoever says so', () => {
    const takes = (value: string): boolean => request(`TE: ${value}`).takesTrailers;
    assert.deepEqual(
      ['trailers', 'gzip, Trailers', 'trailers;q=0.1, gzip', '', 'gzip', 'xtrailers', 'trailersx'].map(takes),
      [true, true, true, false, false, false, false],
    );
  });

  test('Connection stops what it names, not what carries the message', () => {
    const { headers } = request('X-One: 1', 'Connection: x-one, content-type, ,cookie', 'Content-Type: b', 'Cookie: c');
    assert.equal(headers.serialize(), 'Content-Type: b\r\nCookie: c\r\n');
    assert.equal(headers.get(fieldName('x-one')), '1');
  });

  test('names with the hash of a field that frames are other names', () => {
    const doubles = {
      'content-lengv*': 'content-length',
      'transfer-encodk0g': 'transfer-encoding',
      hou6: 'host',
      "v'": 'te',
    };
    for (const [double, real] of Object.entries(doubles)) assert.equal(fieldName(double).hash, fieldName(real).hash);
    const lines = Object.keys(doubles).map((double) => `${double}: chunked`);
    const { contentLength, chunked, host, takesTrailers, headers } = request(...lines);
    assert.deepEqual([contentLength, chunked, host, takesTrailers], [-1, false, 'a', false]);
    assert.equal(headers.serialize(), `${lines.join('\r\n')}\r\n`);
    assert.equal(headers.get(fieldName('content-length')), undefined);
  });

  test('limits are exact, and each has its own answer', () => {
    const head = (lines: string): string => `GET / HTTP/1.1\r\nHost: a\r\n${lines}\r\n`;
    const text = head('X: y\r\n');
    assert.equal(parse('request', text, { maxHead: text.length }).next, text.length);
    assert.equal(parse('request', text, { maxHead: text.length - 1 }).code, 'headers_too_large');
    assert.equal(parse('request', text.slice(0, -1), { maxHead: text.length - 1 }).next, 0);
    assert.equal(parse('request', text, { maxFields: 2 }).next, text.length);
    assert.equal(parse('request', text, { maxFields: 1 }).code, 'headers_too_large');
    const target = 'GET /abc HTTP/1.1\r\nHost: a\r\n\r\n';
    assert.equal(parse('request', target, { maxTarget: 4 }).next, target.length);
    assert.equal(parse('request', target, { maxTarget: 3 }).code, 'uri_too_long');
    assert.equal(
      parse('request', `GET /${'a'.repeat(40)}`, { maxHead: 30, maxTarget: 8_192 }).code,
      'headers_too_large',
    );
    assert.equal(parse('request', 'GET / HTTP/2.0\r\n').code, 'http_version_not_supported');
    assert.equal(parse('request', head('Expect: x\r\n')).code, 'expectation_failed');
    assert.equal(parse('request', head('Expect: x\r\nX y\r\n')).code, 'malformed_request');
  });

  test('what stands behind the received bytes is not looked at', () => {
    const bytes = Buffer.from('GET / HTTP/2.0\r\nHost: a\r\n\r\n', 'latin1');
    const head = new MessageHead();
    for (let end = 1; end < 14; end++) assert.equal(parseRequestHead(bytes, 0, end, head, limits), 0, String(end));
    assert.equal(parseRequestHead(bytes, 0, 14, head, limits), -1);
    assert.equal(head.error.code, 'http_version_not_supported');
  });
});

suite('response heads', () => {
  test('status, framing and persistence', () => {
    const { status, version, contentLength, chunked, keepAlive, headers } = response(
      'Content-Length: 5',
      'Connection: close, x-one',
      'X-One: 1',
      'Set-Cookie: a=b',
    );
    assert.deepEqual([status, version, contentLength, chunked, keepAlive], [200, 11, 5, false, false]);
    assert.equal(headers.serialize(), 'Content-Length: 5\r\nSet-Cookie: a=b\r\n');
  });

  test('requests have a Host to be right about, responses have not', () => {
    assert.equal(response('Host: http://b/', 'Host: c', 'Expect: x').headers.serialize(), '');
  });

  test('bytes are missing', () => {
    const text = 'HTTP/1.1 200 OK\r\nX: y\r\n\r\n';
    for (let length = 1; length < text.length; length++) assert.equal(parse('response', text.slice(0, length)).next, 0);
  });

  test('the head has a bound', () => {
    const text = `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(50)}\r\n\r\n`;
    assert.equal(parse('response', text, { maxHead: text.length }).next, text.length);
    assert.equal(parse('response', text, { maxHead: text.length - 1 }).code, 'upstream_malformed');
    assert.equal(parse('response', text, { maxFields: 0 }).code, 'upstream_malformed');
  });
});

suite('trailers', () => {
  test('fields that tell who calls are dropped in every spelling', () => {
    const bytes = Buffer.from('X-User-Id: 1\r\nx_user_id: 2\r\nX-User: 3\r\n\r\n', 'latin1');
    const head = new MessageHead();
    const limits = { maxHead: 1_000, maxTarget: 1_000, maxFields: 10 };
    assert.equal(parseTrailers(bytes, 0, bytes.length, head, limits, new LookAlikes(['x-user-id'])), bytes.length);
    assert.equal(head.headers.serialize(), 'X-User: 3\r\n');
  });

  test('none', () => {
    const { next, head } = parse('trailers', '\r\nrest');
    assert.equal(next, 2);
    assert.equal(head.headers.count, 0);
  });

  test('what frames, routes or says who is dropped', () => {
    const text =
      'X: y\r\nContent-Length: 5\r\nHost: b\r\nX-Forwarded-For: 192.0.2.1\r\nForwarded: for=b\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nExpect: x\r\nAuthorization: b\r\nZ: z\r\n\r\n';
    const { next, head } = parse('trailers', text);
    assert.equal(next, text.length);
    assert.equal(head.headers.serialize(), 'X: y\r\nZ: z\r\n');
  });

  test('bounds and grammar are those of a head', () => {
    assert.equal(parse('trailers', 'X: y\r\n\r\n', { maxFields: 0 }).code, 'headers_too_large');
    assert.equal(parse('trailers', 'X: yyyyyyyy\r\n\r\n', { maxHead: 10 }).code, 'headers_too_large');
    assert.equal(parse('trailers', 'X: y\r\n z\r\n\r\n').code, 'malformed_request');
    assert.equal(parse('trailers', 'X: y\r\n').next, 0);
  });
});
