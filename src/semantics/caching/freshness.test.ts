import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ageSeconds, mayServeOnError, remainingLifetime, ttlSeconds, verdict } from './freshness.ts';
import type { StoredPolicy } from './policy.ts';
import type { RequestDirectives } from './request-directives.ts';

const THEN = Date.UTC(2026, 5, 1);

function stored(values: Partial<StoredPolicy> = {}): StoredPolicy {
  return {
    status: 200,
    responseTime: THEN,
    initialAge: 0,
    lifetime: 60_000,
    isHeuristic: false,
    staleWhileRevalidate: 0,
    staleIfError: 0,
    mustValidate: false,
    forbidsStale: false,
    etag: '',
    lastModified: '',
    lastModifiedTime: -1,
    date: THEN,
    vary: '',
    ...values,
  };
}

function wants(values: Partial<RequestDirectives>): RequestDirectives {
  return {
    maxAge: -1,
    minFresh: -1,
    maxStale: -1,
    staleIfError: -1,
    noCache: false,
    noStore: false,
    onlyIfCached: false,
    ...values,
  };
}

/** Seconds after it came. */
const after = (seconds: number) => THEN + seconds * 1000;

test('age grows with the clock (RFC 9111, 4.2.3)', () => {
  const policy = stored({ initialAge: 30_000 });
  assert.equal(ageSeconds(policy, after(0)), 30);
  assert.equal(ageSeconds(policy, after(12.9)), 42);
  assert.equal(ageSeconds(policy, after(-3600)), 30, 'a clock set back makes nothing younger');
  assert.equal(remainingLifetime(policy, after(40)), -10_000);
  assert.equal(ttlSeconds(policy, after(12.9)), 18);
  assert.equal(ttlSeconds(policy, after(40.5)), -10);
});

test('without wishes of the client', () => {
  const policy = stored({ staleWhileRevalidate: 10_000 });
  assert.equal(verdict(policy, null, after(59.9), false), 'fresh');
  assert.equal(verdict(policy, null, after(60), false), 'revalidate', 'fresh is younger than the lifetime');
  assert.equal(verdict(policy, null, after(69.9), false), 'revalidate');
  assert.equal(verdict(policy, null, after(70), false), 'validate');
  assert.equal(verdict(stored(), null, after(60), false), 'validate');
  assert.equal(verdict(stored({ mustValidate: true }), null, after(1), false), 'validate');
  assert.equal(verdict(policy, null, after(1), true), 'validate', 'purged');
  assert.equal(
    verdict(stored({ initialAge: 2 ** 31 * 1000, lifetime: 2 ** 31 * 1000 }), null, after(0), false),
    'validate',
  );
});

test('wishes of the client (RFC 9111, 5.2.1)', () => {
  const table: [Partial<RequestDirectives>, Partial<StoredPolicy>, number, string][] = [
    [{}, {}, 10, 'fresh'],
    [{ noStore: true }, {}, 10, 'fresh'],
    [{ noCache: true }, {}, 10, 'validate'],
    [{ noCache: true, onlyIfCached: true }, {}, 10, 'unsatisfiable'],
    [{ maxAge: 0 }, {}, 10, 'validate'],
    [{ maxAge: 9 }, {}, 10, 'validate'],
    [{ maxAge: 10 }, {}, 10, 'fresh'],
    [{ maxAge: 600 }, { initialAge: 1_800_000, lifetime: 3_600_000 }, 0, 'validate'],
    [{ minFresh: 50 }, {}, 10, 'fresh'],
    [{ minFresh: 51 }, {}, 10, 'validate'],
    [{ maxStale: 10 }, {}, 70, 'stale'],
    [{ maxStale: 9 }, {}, 70, 'validate'],
    [{ maxStale: Number.POSITIVE_INFINITY }, {}, 1e6, 'stale'],
    [{ maxStale: 10 }, { forbidsStale: true }, 65, 'validate'],
    [{ maxStale: 10 }, { mustValidate: true }, 65, 'validate'],
    [{ maxStale: 10, maxAge: 64 }, {}, 65, 'validate'],
    [{ maxStale: 10, maxAge: 65 }, {}, 65, 'stale'],
    [{}, { staleWhileRevalidate: 10_000 }, 65, 'revalidate'],
    [{ maxAge: 100 }, { staleWhileRevalidate: 10_000 }, 65, 'validate'],
    [{ minFresh: 0 }, { staleWhileRevalidate: 10_000 }, 65, 'validate'],
    [{ onlyIfCached: true }, {}, 10, 'fresh'],
    [{ onlyIfCached: true }, {}, 65, 'unsatisfiable'],
    [{ onlyIfCached: true }, { staleWhileRevalidate: 10_000 }, 65, 'stale'],
    [{ onlyIfCached: true, maxStale: 10 }, {}, 65, 'stale'],
  ];
  for (const [request, policy, seconds, expected] of table) {
    const what = JSON.stringify([request, policy, seconds]);
    assert.equal(verdict(stored(policy), wants(request), after(seconds), false), expected, what);
  }
  assert.equal(verdict(stored(), wants({ maxStale: 99 }), after(1), true), 'validate', 'purged');
});

test('stale on errors (RFC 5861, 4)', () => {
  const table: [Partial<StoredPolicy>, Partial<RequestDirectives> | null, number, boolean, boolean][] = [
    [{}, null, 61, false, false],
    [{ staleIfError: 10_000 }, null, 70, false, true],
    [{ staleIfError: 10_000 }, null, 71, false, false],
    // The client asked for a fresh one, and the upstream fails: "regardless of other freshness information".
    [{ staleIfError: 10_000 }, { noCache: true }, 10, false, true],
    [{}, { staleIfError: 10 }, 70, false, true],
    [{}, { staleIfError: 10 }, 71, false, false],
    [{ forbidsStale: true }, { staleIfError: 10 }, 65, false, false],
    // What the origin grants beside s-maxage.
    [{ forbidsStale: true, staleIfError: 10_000 }, null, 65, false, true],
    [{ mustValidate: true }, { staleIfError: 10 }, 10, true, false],
    // Rather than a failure: for a day, unless somebody set a bound.
    [{}, null, 60 + 86_400, true, true],
    [{}, null, 60 + 86_401, true, false],
    [{ staleIfError: 10_000 }, null, 71, true, false],
    [{ forbidsStale: true }, null, 61, true, false],
  ];
  for (const [policy, request, seconds, acceptsStale, expected] of table) {
    const found = mayServeOnError(
      stored(policy),
      request === null ? null : wants(request),
      after(seconds),
      acceptsStale,
    );
    assert.equal(found, expected, JSON.stringify([policy, request, seconds, acceptsStale]));
  }
});

test('what the origin forbids is never served, whatever the client wishes', () => {
  const second = fc.integer({ min: -1, max: 200 });
  const request = fc.record({
    maxAge: second,
    minFresh: second,
    maxStale: fc.oneof(second, fc.constant(Number.POSITIVE_INFINITY)),
    staleIfError: second,
    noCache: fc.boolean(),
    noStore: fc.boolean(),
    onlyIfCached: fc.boolean(),
  });
  fc.assert(
    fc.property(request, fc.nat(300), fc.boolean(), (directives, seconds, isPurged) => {
      const firm = stored({ forbidsStale: true });
      const found = verdict(firm, directives, after(seconds), isPurged);
      if (seconds >= 60 || isPurged) assert.ok(found === 'validate' || found === 'unsatisfiable');
      if (seconds > 60) assert.equal(mayServeOnError(firm, directives, after(seconds), true), false);
      const never = verdict(stored({ mustValidate: true }), directives, after(seconds), isPurged);
      assert.ok(never === 'validate' || never === 'unsatisfiable');
      assert.equal(found === 'unsatisfiable' && !directives.onlyIfCached, false);
    }),
  );
});
