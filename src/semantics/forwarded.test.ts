import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HeaderBlock } from '../base/headers.ts';
import { AddressSet, parseNetwork } from './cidr.ts';
import {
  clientLines,
  clientThroughProxies,
  dropStatements,
  type ForwardingSource,
  forwardedValue,
  parseForwarded,
} from './forwarded.ts';

const trusted = new AddressSet(
  ['10.0.0.0/8', '::1', 'fd00::/8'].map((text) => {
    const parsed = parseNetwork(text);
    return parsed.ok ? parsed.value : assert.fail(text);
  }),
);

type Fields = [string, string][];
const view = (fields: Fields, source?: ForwardingSource) =>
  clientThroughProxies('10.0.0.1', HeaderBlock.of(fields), trusted, source);
const addressBy = (name: string, value: string, source?: ForwardingSource) => view([[name, value]], source)?.address;

test('the client is the rightmost address that no trusted proxy has', () => {
  const by = (value: string) => addressBy('x-forwarded-for', value);
  assert.equal(by('192.0.2.1'), '192.0.2.1');
  assert.equal(by('6.6.6.6, 192.0.2.1, 10.0.0.2'), '192.0.2.1', 'what the client wrote itself is not believed');
  assert.equal(by('garbage, 192.0.2.1'), '192.0.2.1', 'nor read');
  assert.equal(by('10.0.0.3, 10.0.0.2'), '10.0.0.3', 'all trusted: the farthest');
  assert.equal(by('192.0.2.1:4711'), '192.0.2.1');
  assert.equal(by('[2001:DB8::1]:4711'), '2001:db8::1');
  assert.equal(by('2001:db8::1'), '2001:db8::1');
  assert.equal(by('::ffff:192.0.2.1'), '192.0.2.1');
  assert.equal(by('192.0.2.1,, ,'), '192.0.2.1', 'empty list items mean nothing (RFC 9110, 5.6.1)');
  assert.equal(by(''), '10.0.0.1');
  assert.equal(by('unknown, 10.0.0.2'), '', 'a trusted proxy does not know');
});

test('several field lines are one list', () => {
  const lines: Fields = [
    ['x-forwarded-for', '192.0.2.1'],
    ['x-forwarded-for', '10.0.0.2'],
  ];
  assert.equal(view(lines)?.address, '192.0.2.1');
  assert.equal(view(lines)?.chain, '192.0.2.1, 10.0.0.2');
});

test('what trusted proxies say and nobody can read is refused', () => {
  const hostile: Fields = [
    ['x-forwarded-for', 'localhost'],
    ['x-forwarded-for', '192.0.2.1, evil'],
    ['x-forwarded-for', '010.0.0.1'],
    ['x-forwarded-for', '192.0.2.1:99999999'],
    ['x-forwarded-for', '192.0.2.1:'],
    ['x-forwarded-for', '[192.0.2.1]'],
    ['x-forwarded-for', '[::1'],
    ['x-forwarded-for', '[::1]x'],
    ['x-forwarded-for', '"192.0.2.1"'],
    ['x-forwarded-proto', 'ftp'],
    ['x-forwarded-proto', ''],
    ['x-forwarded-host', 'a b'],
    ['x-forwarded-host', 'shop.example/evil'],
    ['x-forwarded-host', 'user@shop.example'],
    ['x-forwarded-host', ''],
    ['forwarded', 'for=192.0.2.1 for=10.0.0.1'],
    ['forwarded', 'for=192.0.2.1;for=192.0.2.2'],
    ['forwarded', 'for="192.0.2.1'],
    ['forwarded', 'for=2001:db8::1'],
    ['forwarded', 'for="2001:db8::1"'],
    ['forwarded', 'for=[2001:db8::1]'],
    ['forwarded', 'for = 192.0.2.1'],
    ['forwarded', 'for=192.0.2.1;proto=ftp'],
    ['forwarded', 'for=192.0.2.1;host="a b"'],
    ['forwarded', 'for="'],
    ['forwarded', '=192.0.2.1'],
    ['forwarded', 'for=nobody'],
  ];
  for (const field of hostile) assert.equal(view([field]), null, field.join(': '));
});

test('a client cannot break what its proxy writes in Forwarded unnoticed', () => {
  assert.equal(view([['forwarded', 'for=", for=192.0.2.1']]), null);
  assert.equal(addressBy('forwarded', 'for="6.6.6.6, for=192.0.2.1", for=192.0.2.2'), '192.0.2.2');
});

test('Forwarded: the element of the client gives scheme and host too', () => {
  const value =
    'for=6.6.6.6;proto=http, For="[2001:db8::1]:4711";Proto=HTTPS;host="Shop.Example:8443";by=_x, for=10.0.0.2';
  const expected = {
    address: '2001:db8::1',
    scheme: 'https',
    host: 'shop.example:8443',
    chain: '2001:db8::1, 10.0.0.2',
  };
  assert.deepEqual(view([['forwarded', value]]), expected);
  for (const node of ['unknown', '_hidden', '"_hidden:_port"', '"unknown:80"']) {
    assert.equal(addressBy('forwarded', `for=${node}`), '', node);
  }
  assert.equal(addressBy('forwarded', 'proto=https'), '', 'an element without an address hides the client');
  assert.equal(addressBy('forwarded', 'for=192.0.2.1;secret="a\\"b,c"'), '192.0.2.1', 'extensions are read over');
  assert.equal(addressBy('forwarded', 'for="\\1\\92.0.2.1"'), '192.0.2.1', 'quoted pairs');
});

test('which field counts', () => {
  const both: Fields = [
    ['forwarded', 'for=6.6.6.6;host=evil.example'],
    ['x-forwarded-for', '192.0.2.1'],
    ['x-forwarded-proto', 'http, https'],
    ['x-forwarded-host', 'evil.example, Shop.example:8443'],
  ];
  const ours = { address: '192.0.2.1', scheme: 'https', host: 'shop.example:8443', chain: '192.0.2.1' };
  assert.deepEqual(view(both), ours, 'the nearest proxy speaks last');
  assert.deepEqual(view(both, 'x-forwarded'), ours);
  assert.equal(view(both, 'forwarded')?.address, '6.6.6.6');
  assert.equal(addressBy('forwarded', 'for=6.6.6.6', 'x-forwarded'), '10.0.0.1');
  assert.equal(addressBy('x-forwarded-for', '6.6.6.6', 'forwarded'), '10.0.0.1');
  assert.deepEqual(view([]), { address: '10.0.0.1', scheme: null, host: null, chain: '' });
});

function stated(fields: Fields, ...rest: [string, string, 'http' | 'https', string, boolean, boolean]): string {
  const headers = HeaderBlock.of(fields);
  dropStatements(headers);
  headers.addLines(clientLines(...rest));
  return headers.serialize();
}

test('the upstream hears our statements and nobody else’s', () => {
  const spoofed: Fields = [
    ['X-Forwarded-For', '6.6.6.6'],
    ['X-Forwarded-Proto', 'https'],
    ['X-Real-IP', '6.6.6.6'],
    ['Forwarded', 'for=6.6.6.6'],
    ['x-forwarded-prefix', '/admin'],
    ['X_Forwarded_For', '6.6.6.6'],
    ['x.real.ip', '6.6.6.6'],
    ['X-Forwarded_Host', 'evil.example'],
    ['accept', '*/*'],
  ];
  assert.equal(
    stated(spoofed, '', '192.0.2.1', 'http', 'shop.example:8080', true, true),
    'x-forwarded-for: 192.0.2.1\r\nx-forwarded-proto: http\r\nx-forwarded-host: shop.example:8080\r\n' +
      'x-forwarded-port: 8080\r\nforwarded: for=192.0.2.1;host="shop.example:8080";proto=http\r\naccept: */*\r\n',
  );
  assert.equal(stated(spoofed, '', '192.0.2.1', 'http', 'a', false, false), 'accept: */*\r\n');
  assert.equal(
    stated([], '192.0.2.1, 10.0.0.2', '10.0.0.1', 'https', '[::1]', true, false),
    'x-forwarded-for: 192.0.2.1, 10.0.0.2, 10.0.0.1\r\nx-forwarded-proto: https\r\nx-forwarded-host: [::1]\r\n' +
      'x-forwarded-port: 443\r\n',
  );
  assert.equal(
    forwardedValue('2001:db8::1, unknown', '10.0.0.1', 'https', 'shop.example'),
    'for="[2001:db8::1]";host=shop.example;proto=https, for=unknown, for=10.0.0.1',
  );
  assert.equal(forwardedValue('', 'unknown', 'http', ''), 'for=unknown;proto=http');
});

test('what we write we read back, behind any prefix of a client’s own', () => {
  const address = fc
    .oneof(fc.ipV4(), fc.ipV6())
    .map((text) => new URL(`http://${text.includes(':') ? `[${text}]` : text}`));
  const client = address.map((url) => url.hostname.replace(/^\[|\]$/g, '')).filter((text) => !trusted.contains(text));
  fc.assert(
    fc.property(client, fc.string({ unit: fc.constantFrom(...'for=10.26,"; ') }), (from, spoof) => {
      for (const name of ['x-forwarded-for', 'forwarded']) {
        const own = name === 'forwarded' ? forwardedValue('', from, 'https', 'a.example') : from;
        const result = view([[name, `${spoof}, ${own}`]]);
        // An unreadable prefix may spoil Forwarded, never change the answer.
        if (result === null) assert.equal(name === 'forwarded' && parseForwarded(`${spoof}, ${own}`), null);
        else
          assert.equal(
            result.address,
            clientThroughProxies('10.0.0.1', HeaderBlock.of([[name, own]]), trusted)?.address,
          );
      }
    }),
    { numRuns: 500 },
  );
});
