import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAlternativeNames } from './alternative-names.ts';

test('reads the kinds that name a client, and passes over the others', () => {
  const text =
    'URI:spiffe://shop/orders, DNS:orders.local, email:orders@shop.example, IP Address:192.0.2.7, ' +
    'othername:UPN:orders@shop, Registered ID:1.2.3.4, DNS:second.local';
  assert.deepEqual(parseAlternativeNames(text), {
    uris: ['spiffe://shop/orders'],
    dnsNames: ['orders.local', 'second.local'],
    emails: ['orders@shop.example'],
  });
  assert.deepEqual(parseAlternativeNames(''), { uris: [], dnsNames: [], emails: [] });
});

test('a quoted value is one, whatever is in it', () => {
  assert.deepEqual(
    parseAlternativeNames('URI:"spiffe://a, DNS:admin.local", DNS:"q\\"uote\\u000a", DirName:"CN = x, O = y"'),
    {
      uris: ['spiffe://a, DNS:admin.local'],
      dnsNames: ['q"uote\n'],
      emails: [],
    },
  );
});

test('nothing is made of what Node does not write', () => {
  for (const text of ['URI', 'URI:a,DNS:b', 'DNS:a"b', 'DNS:"open', 'DNS:"bad\\x"', ', DNS:a', 'DNS:a, ,']) {
    assert.equal(parseAlternativeNames(text), null, text);
  }
});

test('a value never becomes an entry of its own', () => {
  const value = fc.string({ unit: fc.constantFrom('a', ',', ' ', ':', '"', '\\', 'DNS', 'é') });
  fc.assert(
    fc.property(fc.array(value), (values) => {
      const text = values.map((each) => `URI:${/[",\\]/.test(each) ? JSON.stringify(each) : each}`).join(', ');
      assert.deepEqual(parseAlternativeNames(text), { uris: values, dnsNames: [], emails: [] });
    }),
  );
});
