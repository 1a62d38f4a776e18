import assert from 'node:assert/strict';
import { BlockList, isIPv4 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { AddressSet, canonicalAddress, parseIPv4, parseNetwork, subscriberOf } from './cidr.ts';

function setOf(...texts: string[]): AddressSet {
  return new AddressSet(
    texts.map((text) => {
      const parsed = parseNetwork(text);
      if (!parsed.ok) assert.fail(`${text}: ${parsed.message}`);
      return parsed.value;
    }),
  );
}

function remedy(text: string): string {
  const parsed = parseNetwork(text);
  if (parsed.ok) assert.fail(`${text} was accepted`);
  return parsed.remedy;
}

test('networks and single addresses', () => {
  const set = setOf('10.0.0.0/8', '192.0.2.7', '::1', '2001:db8::/32', '10.1.0.0/16');
  for (const inside of ['10.0.0.0', '10.255.255.255', '192.0.2.7', '::1', '2001:db8::', '2001:DB8:ffff::1']) {
    assert.equal(set.contains(inside), true, inside);
  }
  for (const outside of ['9.255.255.255', '11.0.0.0', '192.0.2.8', '::2', '2001:db9::', '::', '0.0.0.0']) {
    assert.equal(set.contains(outside), false, outside);
  }
});

test('both spellings of a mapped address are one address', () => {
  assert.equal(setOf('10.0.0.0/8').contains('::ffff:10.1.2.3'), true);
  assert.equal(setOf('10.0.0.0/8').contains('::ffff:a01:203'), true);
  assert.equal(setOf('::ffff:10.0.0.0/104').contains('10.1.2.3'), true);
  assert.equal(setOf('::ffff:10.0.0.1').contains('10.0.0.1'), true);
  assert.equal(setOf('::/0').contains('10.0.0.1'), false, 'all of IPv6 is not all of IPv4');
  assert.equal(setOf('0.0.0.0/0').contains('::ffff:10.0.0.1'), true);
  assert.equal(canonicalAddress('::FFFF:10.0.0.1'), '10.0.0.1');
  assert.equal(canonicalAddress('2001:DB8:0:0:0:0:0:1'), '2001:db8::1');
  assert.equal(canonicalAddress('fe80::1%eth0'), 'fe80::1');
});

test('what is no address is in no set', () => {
  const everything = setOf('0.0.0.0/0', '::/0');
  const wrong = [
    '',
    'unknown',
    '10.0.0',
    '10.0.0.1.',
    '.10.0.0.1',
    '010.0.0.1',
    '0x0a.0.0.1',
    '10.0.0.256',
    '1e1.0.0.1',
  ];
  for (const text of [...wrong, '10.0.0.1 ', '10..0.1', ':::1', '::1::', '[::1]', '10.0.0.1:80', '1', '10.0.0.1\n']) {
    assert.equal(everything.contains(text), false, text);
    assert.equal(canonicalAddress(text), null, text);
  }
});

test('a wrong network says what to write', () => {
  assert.equal(remedy('10.0.0.1/8'), 'Write `10.0.0.0/8`, or `10.0.0.1` for the one address.');
  assert.equal(remedy('2001:db8::1/32'), 'Write `2001:db8::/32`, or `2001:db8::1` for the one address.');
  assert.equal(remedy('10.0.0.0/33'), 'Write `10.0.0.0/0` to `10.0.0.0/32`.');
  assert.equal(remedy('10.0.0.0/08'), 'Write `10.0.0.0/0` to `10.0.0.0/32`.');
  assert.equal(remedy('010.0.0.1'), 'Write its numbers without leading zeros.');
  assert.equal(remedy('[::1]'), 'Write `::1`.');
  for (const text of ['', 'localhost', '10/8', '10.0.0.0/', '/8', '10.0.0.0/8/8', 'fe80::%eth0/10']) remedy(text);
});

test('agrees with the BlockList of Node', () => {
  const ipv4 = fc.nat(0xffff_ffff).map((n) => `${n >>> 24}.${(n >>> 16) & 255}.${(n >>> 8) & 255}.${n & 255}`);
  const near = fc.tuple(fc.constantFrom('10.0.0.', '10.0.1.', '192.168.255.'), fc.nat(255)).map(([a, b]) => a + b);
  const ipv6 = fc
    .array(fc.constantFrom('0', '1', 'ffff', 'db8'), { minLength: 8, maxLength: 8 })
    .map((p) => p.join(':'));
  const network = fc.oneof(
    fc.tuple(fc.oneof(ipv4, near), fc.integer({ min: 0, max: 32 })),
    fc.tuple(ipv6, fc.integer({ min: 0, max: 128 })),
  );
  fc.assert(
    fc.property(fc.array(network, { maxLength: 5 }), fc.oneof(ipv4, near, ipv6), (networks, address) => {
      // One list a family: Node lets `::/0` cover IPv4, which here only a network inside `::ffff:0:0/96` does.
      const oracle = { ipv4: new BlockList(), ipv6: new BlockList() };
      const familyOf = (text: string) => (isIPv4(text) ? 'ipv4' : 'ipv6');
      const texts: string[] = [];
      for (const [base, prefix] of networks) {
        oracle[familyOf(base)].addSubnet(base, prefix, familyOf(base));
        const parsed = parseNetwork(`${base}/${prefix}`);
        texts.push(parsed.ok ? `${base}/${prefix}` : (/`([^`]+)`/.exec(parsed.remedy)?.[1] ?? ''));
      }
      assert.equal(setOf(...texts).contains(address), oracle[familyOf(address)].check(address, familyOf(address)));
    }),
    { numRuns: 500 },
  );
});

test('the reader of dotted quads agrees with Node on arbitrary text', () => {
  const text = fc.array(fc.constantFrom('0', '1', '25', '255', '256', '.', '.', '.', 'x', ' '), { maxLength: 8 });
  fc.assert(fc.property(text, (parts) => assert.equal(parseIPv4(parts.join('')) >= 0, isIPv4(parts.join('')))));
});

test('whoever has a /64 is one subscriber, in every spelling', () => {
  assert.equal(subscriberOf('192.0.2.7'), '192.0.2.7');
  assert.equal(subscriberOf(''), '');
  assert.equal(subscriberOf('2001:db8::1'), '2001:db8:0:0::/64');
  assert.equal(subscriberOf('::1'), '0:0:0:0::/64');
  assert.equal(subscriberOf('2001:db8:0:1::'), '2001:db8:0:1::/64');
  assert.equal(subscriberOf('1::2:3:4:5:6:7'), '1:0:2:3::/64');
  const addresses = fc.tuple(fc.ipV6(), fc.ipV6()).map((texts) => texts.map((text) => canonicalAddress(text) ?? ''));
  fc.assert(
    fc.property(addresses, ([one = '', other = '']) => {
      if (isIPv4(one) || isIPv4(other)) return;
      const site = parseNetwork(subscriberOf(one));
      if (!site.ok) assert.fail(site.message);
      const set = new AddressSet([site.value]);
      assert.ok(set.contains(one));
      assert.equal(set.contains(other), subscriberOf(one) === subscriberOf(other));
    }),
  );
});
