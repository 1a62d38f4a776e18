import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HeaderBlock } from '../../../src/base/headers.ts';
import { candidates, seeded, type TestCandidate } from '../../../test/support/balance-simulation.ts';
import { UpstreamCall } from '../../plan/call.ts';
import { Exchange, type Identity } from '../../plan/exchange.ts';
import type { Route } from '../../plan/plan.ts';
import type { HashKey } from '../../plan/upstream.ts';
import { HashKeys, hashText } from './hash-key.ts';
import { Rendezvous } from './rendezvous.ts';

const KEYS = 20_000;
const byTenant: HashKey = { kind: 'header', name: 'x-tenant' };

function callOf(tenant: string): UpstreamCall {
  return new UpstreamCall('GET', '/', 'a', HeaderBlock.of([['x-tenant', tenant]]), null, null);
}

const calls = Array.from({ length: KEYS }, (_, index) => callOf(`tenant-${index}`));

/** Endpoints as they are named in practice: alike but for a digit or two. */
function endpoints(count: number, weights: readonly number[] = []): TestCandidate[] {
  return candidates(count, weights).map((each) => ({ ...each, seed: hashText(`http://10.0.0.${each.index}:8080`) }));
}

function rendezvous(among: readonly TestCandidate[]): Rendezvous<TestCandidate> {
  const made = new Rendezvous<TestCandidate>(new HashKeys(byTenant, seeded(5)), 1.25);
  made.update(among);
  return made;
}

function owners(among: readonly TestCandidate[]): number[] {
  const made = rendezvous(among);
  return calls.map((call) => made.choose(call).index);
}

describe('hash', () => {
  it('moves only the keys of an endpoint that leaves, and no more than 1.2 times its share', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 40 }), fc.nat(), (count, which) => {
        const all = endpoints(count);
        const gone = which % count;
        const [before, after] = [owners(all), owners(all.filter(({ index }) => index !== gone))];
        const moved = before.filter((owner, key) => owner !== after[key]);
        assert.ok(moved.every((owner) => owner === gone));
        assert.ok(moved.length / KEYS <= 1.2 / count, `${moved.length} of ${KEYS} with ${count}`);
      }),
      { numRuns: 25 },
    );
  });

  it('gives every endpoint its weight of the keys', () => {
    const weights = [1, 2, 3, 4];
    const owned = owners(endpoints(4, weights));
    for (const [index, weight] of weights.entries()) {
      const share = owned.filter((owner) => owner === index).length / KEYS;
      assert.ok(Math.abs(share - weight / 10) < 0.015, `${index}: ${share}`);
    }
  });

  it('keeps keys where they are, but for those that a grown weight draws', () => {
    const [before, after] = [owners(endpoints(4)), owners(endpoints(4, [1, 1, 2, 1]))];
    for (const [key, owner] of after.entries()) if (owner !== before[key]) assert.equal(owner, 2);
  });

  it('depends neither on the order of endpoints nor on the worker', () => {
    const all = endpoints(7);
    assert.deepEqual(owners(all), owners(all.toReversed()));
  });

  it('sends calls without the key anywhere', () => {
    const made = rendezvous(endpoints(4));
    const call = new UpstreamCall('GET', '/', 'a', new HeaderBlock(), null, null);
    assert.equal(new Set(Array.from({ length: 100 }, () => made.choose(call).index)).size, 4);
  });
});

describe('an endpoint with more than its share under way', () => {
  it('passes the calls of its keys on to one and the same other endpoint', () => {
    const all = endpoints(4);
    const made = rendezvous(all);
    const owner = made.choose(calls[0] as UpstreamCall);
    for (let i = 0; i < 12; i++) owner.record.enter();
    const second = made.choose(calls[0] as UpstreamCall);
    assert.notEqual(second, owner);
    assert.equal(made.choose(calls[0] as UpstreamCall), second);
    for (const each of all) for (let i = 0; i < 9; i++) each.record.enter();
    owner.record.leave();
    // 20 against an average of 12.
    assert.equal(made.choose(calls[0] as UpstreamCall), second);
    for (let i = 0; i < 9; i++) owner.record.leave();
    assert.equal(made.choose(calls[0] as UpstreamCall), owner);
  });

  it('keeps them while that is but a few', () => {
    const made = rendezvous(endpoints(4));
    const owner = made.choose(calls[0] as UpstreamCall);
    for (let i = 0; i < 7; i++) owner.record.enter();
    assert.equal(made.choose(calls[0] as UpstreamCall), owner);
  });

  it('never has more than its share by much, whatever the keys', () => {
    const all = endpoints(5);
    const made = rendezvous(all);
    // One key for everything.
    for (let i = 0; i < 1_000; i++) made.choose(calls[0] as UpstreamCall).record.enter();
    for (const { record } of all) assert.ok(record.inFlight <= 1.25 * 200, `${record.inFlight}`);
  });
});

describe('the key', () => {
  const peer = { address: '', port: 0, tls: false, trusted: false, listener: '', certificate: null };

  function callWith(fields: readonly (readonly [string, string])[], address = '', id = ''): UpstreamCall {
    const headers = HeaderBlock.of(fields);
    const exchange = new Exchange(peer, headers, { name: 'test' } as Route);
    exchange.clientAddress = address;
    exchange.identity = id === '' ? null : ({ id } as Identity);
    return new UpstreamCall('GET', '/', 'a', headers, null, exchange);
  }

  const cases: [key: HashKey, call: UpstreamCall, text: string][] = [
    [{ kind: 'address' }, callWith([], '192.0.2.1'), '192.0.2.1'],
    [{ kind: 'identity' }, callWith([], '192.0.2.1', 'alice'), 'alice'],
    [{ kind: 'identity' }, callWith([], '192.0.2.1'), '192.0.2.1'],
    [byTenant, callWith([['X-Tenant', 'acme']]), 'acme'],
    [{ kind: 'cookie', name: 'sid' }, callWith([['cookie', 'a=b; sid=42']]), '42'],
  ];
  for (const [key, call, text] of cases) {
    it(`is ${text} of ${JSON.stringify(key)}`, () => {
      assert.equal(new HashKeys(key, () => 0).of(call), hashText(text));
    });
  }
});
