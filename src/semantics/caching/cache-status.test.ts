import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type CacheOutcome, cacheStatusMember, withMember } from './cache-status.ts';
import { parseDictionary } from './structured-dictionary.ts';

const silent: CacheOutcome = {
  isHit: false,
  forward: null,
  forwardStatus: 0,
  isStored: false,
  isCollapsed: false,
  ttl: Number.NaN,
  key: '',
  detail: '',
};

const member = (outcome: Partial<CacheOutcome>, name = 'sluice') => cacheStatusMember(name, { ...silent, ...outcome });

test('members (RFC 9211, 2)', () => {
  assert.equal(member({ isHit: true, ttl: 376 }), 'sluice; hit; ttl=376');
  assert.equal(member({ isHit: true, ttl: -12.7 }), 'sluice; hit; ttl=-12');
  assert.equal(
    member({ forward: 'stale', forwardStatus: 304, ttl: 60, isStored: true, isCollapsed: true }),
    'sluice; fwd=stale; fwd-status=304; ttl=60; stored; collapsed',
  );
  assert.equal(member({ isHit: true, forward: 'miss' }), 'sluice; hit', 'one excludes the other');
  assert.equal(member({ forward: 'bypass', detail: 'no-store' }), 'sluice; fwd=bypass; detail=no-store');
  assert.equal(member({ forward: 'uri-miss', detail: 'too large' }), 'sluice; fwd=uri-miss; detail="too large"');
  assert.equal(member({ isHit: true, key: 'a"\\\u00fc\n' }), 'sluice; hit; key="a\\"\\\\??"');
  assert.equal(member({ isHit: true }, 'Example CDN'), '"Example CDN"; hit');
});

test('it stands after those of caches nearer to the origin', () => {
  assert.equal(withMember(undefined, 'sluice; hit'), 'sluice; hit');
  assert.equal(withMember('origin; hit', 'sluice; fwd=miss'), 'origin; hit, sluice; fwd=miss');
});

test('it is a structured field, whatever is in it', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (key, detail) => {
      // A list's member with the parameters of one is a dictionary's member under a name.
      assert.notEqual(parseDictionary(`a=${member({ isHit: true, ttl: 1.5, key, detail })}`), null);
    }),
  );
});
