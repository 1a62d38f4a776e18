import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeProxyV1, encodeProxyV2, type ProxiedEndpoints, readProxyHeader } from './proxy-protocol.ts';

const latin1 = (text: string) => Buffer.from(text, 'latin1');
const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';

function v2(command: number, family: number, body: string, length = body.length): Buffer {
  return latin1(`${SIGNATURE}${String.fromCharCode(command, family, length >> 8, length & 255)}${body}`);
}

const IPV4 = '\xc0\x00\x02\x01\x0a\x00\x00\x01\x12\x67\x01\xbb';
const client: ProxiedEndpoints = {
  sourceAddress: '192.0.2.1',
  sourcePort: 4711,
  destinationAddress: '10.0.0.1',
  destinationPort: 443,
};

test('version 1', () => {
  const line = 'PROXY TCP4 192.0.2.1 10.0.0.1 4711 443\r\n';
  assert.deepEqual(readProxyHeader(latin1(`${line}GET / HTTP/1.1\r\n`)), { length: line.length, endpoints: client });
  assert.deepEqual(readProxyHeader(latin1('PROXY TCP6 2001:DB8::1 ::1 1 65535\r\n')), {
    length: 36,
    endpoints: { sourceAddress: '2001:db8::1', sourcePort: 1, destinationAddress: '::1', destinationPort: 65_535 },
  });
  const mapped = readProxyHeader(latin1('PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n'));
  assert.equal(typeof mapped === 'object' && mapped.endpoints?.sourceAddress, '192.0.2.1');
  for (const unknown of ['PROXY UNKNOWN\r\n', 'PROXY UNKNOWN ff:: whatever\r\n']) {
    assert.deepEqual(readProxyHeader(latin1(unknown)), { length: unknown.length, endpoints: null });
  }
});

test('version 2', () => {
  assert.deepEqual(readProxyHeader(v2(0x21, 0x11, IPV4)), { length: 28, endpoints: client });
  assert.deepEqual(readProxyHeader(Buffer.concat([v2(0x21, 0x11, `${IPV4}\x04\x00\x02ab`), latin1('GET')])), {
    length: 33,
    endpoints: client,
  });
  const ipv6 = `\x20\x01\x0d\xb8${'\0'.repeat(11)}\x01${'\0'.repeat(15)}\x01\x00\x01\xff\xff`;
  assert.deepEqual(readProxyHeader(v2(0x21, 0x21, ipv6)), {
    length: 52,
    endpoints: { sourceAddress: '2001:db8::1', sourcePort: 1, destinationAddress: '::1', destinationPort: 65_535 },
  });
  const unix = readProxyHeader(v2(0x21, 0x31, `/run/a${'\0'.repeat(210)}`));
  assert.equal(typeof unix === 'object' && unix.endpoints?.sourceAddress, '');
  assert.deepEqual(readProxyHeader(v2(0x20, 0x00, '')), { length: 16, endpoints: null }, 'LOCAL');
  assert.deepEqual(readProxyHeader(v2(0x20, 0x11, IPV4)), { length: 28, endpoints: null }, 'LOCAL with addresses');
  assert.deepEqual(readProxyHeader(v2(0x21, 0x00, '')), { length: 16, endpoints: null }, 'unspecified');
  assert.deepEqual(readProxyHeader(v2(0x21, 0x00, '\x04\x00\x01x')), { length: 20, endpoints: null });
});

test('hostile beginnings are refused', () => {
  const v1 = [
    'GET / HTTP/1.1\r\n',
    'proxy TCP4 192.0.2.1 10.0.0.1 1 2\r\n',
    ' PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\n',
    'PROXY\r\n',
    'PROXY \r\n',
    'PROXY TCP4\r\n',
    'PROXY TCP5 192.0.2.1 10.0.0.1 1 2\r\n',
    'PROXY UDP4 192.0.2.1 10.0.0.1 1 2\r\n',
    'PROXY UNKNOWNS\r\n',
    'PROXY  TCP4 192.0.2.1 10.0.0.1 1 2\r\n',
    'PROXY TCP4  192.0.2.1 10.0.0.1 1 2\r\n',
    'PROXY TCP4 192.0.2.1 10.0.0.1 1 2 \r\n',
    'PROXY TCP4 192.0.2.1 10.0.0.1 1 2 3\r\n',
    'PROXY TCP4 192.0.2.1 10.0.0.1 1\r\n',
    'PROXY TCP4\t192.0.2.1 10.0.0.1 1 2\r\n',
    'PROXY TCP4 192.0.2.1 10.0.0.1 1 2\n',
    'PROXY TCP4 192.0.2.1 10.0.0.1 01 2\r\n',
    'PROXY TCP4 192.0.2.1 10.0.0.1 1 65536\r\n',
    'PROXY TCP4 192.0.2.1 10.0.0.1 -1 2\r\n',
    'PROXY TCP4 192.0.2.1 10.0.0.1 1 2\r\r\n',
    'PROXY TCP4 192.0.2.1\0 10.0.0.1 1 2\r\n',
    'PROXY TCP4 192.0.2.01 10.0.0.1 1 2\r\n',
    'PROXY TCP4 192.0.2 10.0.0.1 1 2\r\n',
    'PROXY TCP4 ::1 ::1 1 2\r\n',
    'PROXY TCP6 192.0.2.1 10.0.0.1 1 2\r\n',
    'PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n',
    'PROXY TCP6 [::1] ::1 1 2\r\n',
    `PROXY UNKNOWN ${'x'.repeat(200)}\r\n`,
    `PROXY TCP4 ${'1'.repeat(200)}`,
  ];
  for (const text of v1) assert.equal(readProxyHeader(latin1(text)), 'refused', JSON.stringify(text));
  const binary: [string, Buffer][] = [
    ['a wrong signature', latin1('\r\n\r\n\0\r\nQUIX\n\x21\x11\x00\x0c')],
    ['version 1 in binary', v2(0x11, 0x11, IPV4)],
    ['version 3', v2(0x31, 0x11, IPV4)],
    ['an unknown command', v2(0x22, 0x11, IPV4)],
    ['datagrams', v2(0x21, 0x12, IPV4)],
    ['an unknown family', v2(0x21, 0x41, IPV4)],
    ['a family without transport', v2(0x21, 0x10, IPV4)],
    ['too short for its family', v2(0x21, 0x11, IPV4.slice(1))],
    ['IPv6 with the bytes of IPv4', v2(0x21, 0x21, IPV4)],
    ['too short for a Unix path', v2(0x21, 0x31, '/run/a')],
    ['an endless one', v2(0x21, 0x11, IPV4, 65_535)],
    ['a field past the end', v2(0x21, 0x11, `${IPV4}\x04\x00\x09ab`)],
    ['half a field', v2(0x21, 0x11, `${IPV4}\x04\x00`)],
  ];
  for (const [what, bytes] of binary) assert.equal(readProxyHeader(bytes), 'refused', what);
});

const address = fc.oneof(fc.ipV4(), fc.ipV6(), fc.constant(''));
const endpoints = fc.record({
  sourceAddress: address,
  sourcePort: fc.nat(65_535),
  destinationAddress: address,
  destinationPort: fc.nat(65_535),
});
const encoders = [(e: ProxiedEndpoints) => latin1(encodeProxyV1(e)), encodeProxyV2];

test('what is written is read back, whatever follows, and every beginning of it asks for more', () => {
  fc.assert(
    fc.property(endpoints, fc.constantFrom(...encoders), fc.uint8Array({ maxLength: 20 }), (given, encode, rest) => {
      const header = encode(given);
      const result = readProxyHeader(Buffer.concat([header, rest]));
      if (typeof result === 'string') assert.fail(result);
      assert.equal(result.length, header.length);
      const known = given.sourceAddress !== '' && given.destinationAddress !== '';
      assert.equal(result.endpoints !== null, known);
      assert.equal(result.endpoints?.sourcePort, known ? given.sourcePort : undefined);
      // Spellings of one IPv6 address differ; reading what was read settles on one.
      if (result.endpoints !== null) {
        const again = readProxyHeader(encode(result.endpoints));
        assert.deepEqual(typeof again === 'object' && again.endpoints, result.endpoints);
      }
      for (let end = 0; end < header.length; end++) assert.equal(readProxyHeader(header.subarray(0, end)), 'more');
    }),
  );
});

test('arbitrary bytes give an answer, and never one past the bound', () => {
  const start = fc.constantFrom('', 'PROXY ', 'PROXY TCP4 ', SIGNATURE, `${SIGNATURE}\x21\x11`, `${SIGNATURE}\x20`);
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 300 }), (text, bytes) => {
      const input = Buffer.concat([latin1(text), bytes]);
      const result = readProxyHeader(input);
      if (typeof result === 'object') assert.ok(result.length <= input.length);
      else assert.ok(result === 'more' || result === 'refused');
    }),
    { numRuns: 1000 },
  );
  assert.equal(readProxyHeader(Buffer.concat([latin1(`${SIGNATURE}\x21\x11\x0f\xf0`), Buffer.alloc(3000)])), 'more');
  assert.equal(readProxyHeader(latin1(`${SIGNATURE}\x21\x11\x0f\xf1`)), 'refused');
});
