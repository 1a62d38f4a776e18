import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldName, HeaderBlock } from '../../base/headers.ts';
import { verdict } from './freshness.ts';
import { formatHttpDate } from './http-date.ts';
import type { CacheRules, StoredPolicy } from './policy.ts';
import { type AskedRequest, judge } from './storability.ts';

const NOW = Date.UTC(2026, 5, 1, 12);
const HOUR = 3_600_000;

const plain: CacheRules = {
  name: 'sluice',
  targets: [fieldName('cdn-cache-control')],
  ttl: -1,
  ttlByStatus: null,
  override: false,
  heuristicShare: 0,
  heuristicMost: 24 * HOUR,
  staleWhileRevalidate: 0,
  staleIfError: 0,
  authorized: 'origin',
  setCookie: 'keep',
  vary: { codings: null, languages: null, ignored: null },
};

interface Case {
  status?: number;
  fields?: Record<string, string>;
  rules?: Partial<CacheRules>;
  request?: Partial<AskedRequest>;
  /** How long the response took. */
  delay?: number;
}

function judged({ status = 200, fields = {}, rules = {}, request = {}, delay = 0 }: Case): StoredPolicy | string {
  const headers = HeaderBlock.of(Object.entries({ date: formatHttpDate(NOW), ...fields }));
  return judge(
    { method: 'GET', directives: null, isAuthorized: false, ...request },
    { status, headers, requestTime: NOW - delay, responseTime: NOW },
    { ...plain, ...rules },
  );
}

function policy(of: Case): StoredPolicy {
  const found = judged(of);
  if (typeof found === 'string') assert.fail(`not stored: ${found}`);
  return found;
}

const at = (difference: number) => formatHttpDate(NOW + difference);
const seconds = (of: Case) => policy(of).lifetime / 1000;
const cc = (value: string): Record<string, string> => ({ 'cache-control': value });
const noStore = {
  maxAge: -1,
  minFresh: -1,
  maxStale: -1,
  staleIfError: -1,
  noCache: false,
  noStore: true,
  onlyIfCached: false,
};

test('freshness lifetime: targeted, s-maxage, max-age, Expires, in this order (RFC 9111, 4.2.1)', () => {
  const expires = { expires: at(300_000) };
  assert.equal(seconds({ fields: expires }), 300);
  assert.equal(seconds({ fields: { ...expires, ...cc('max-age=60') } }), 60);
  assert.equal(seconds({ fields: { ...expires, ...cc('max-age=60, s-maxage=30') } }), 30);
  const targeted = { 'cdn-cache-control': 'max-age=10' };
  assert.equal(seconds({ fields: { ...expires, ...cc('no-store'), ...targeted } }), 10);
  // RFC 9213, 2.2: without a lifetime in it, that of the other fields does not count.
  assert.equal(judged({ fields: { ...expires, 'cdn-cache-control': 'public' } }), 'no-lifetime');
  // RFC 9111, 4.2.1: relative to Date.
  assert.equal(seconds({ fields: { date: at(-100_000), expires: at(100_000) } }), 200);
  assert.equal(seconds({ fields: { date: 'x', expires: at(100_000) } }), 100, 'to when it came, without a Date');
  // RFC 9111, 5.3
  const tag = { etag: '"1"' };
  for (const value of ['0', '-1', 'x', '', at(-5000)]) assert.equal(seconds({ fields: { ...tag, expires: value } }), 0);
  assert.equal(seconds({ fields: { ...tag, expires: '0', ...cc('max-age=60') } }), 60);
  assert.equal(seconds({ fields: { ...tag, ...expires, ...cc('max-age=x') } }), 0);
});

test('what the route says where the origin is silent', () => {
  const rules = {
    ttl: 60_000,
    ttlByStatus: new Map([
      [404, 5000],
      [302, 1000],
      [301, 0],
      [429, 2000],
    ]),
  };
  assert.equal(seconds({ rules }), 60);
  assert.equal(seconds({ rules, fields: cc('public, must-revalidate') }), 60);
  assert.equal(seconds({ rules, fields: cc('max-age=5') }), 5, 'the origin is not silent');
  assert.equal(seconds({ rules, fields: { ...cc('no-cache'), etag: '"1"' } }), 0);
  assert.equal(seconds({ rules, status: 404 }), 5, 'negative caching');
  assert.equal(seconds({ rules, status: 302 }), 1);
  assert.equal(seconds({ rules, status: 429 }), 2);
  assert.equal(judged({ rules, status: 301, fields: cc('max-age=5') }), 'status');
  // Errors and such are not kept unless somebody says so.
  for (const status of [201, 303, 307, 400, 403, 410, 500, 503]) {
    assert.equal(judged({ rules, status }), 'no-lifetime', String(status));
  }
  assert.equal(judged({ rules, fields: cc('no-store') }), 'no-store');
  assert.equal(judged({ rules, fields: cc('private') }), 'private');
});

test('the route overrides the origin, where it names a lifetime', () => {
  const rules: Partial<CacheRules> = { ttl: 60_000, override: true, staleWhileRevalidate: 1000, staleIfError: 2000 };
  for (const value of [
    'no-store',
    'private',
    'no-cache',
    'max-age=0, must-revalidate',
    's-maxage=5, stale-if-error=9',
  ]) {
    const stored = policy({ rules, fields: cc(value) });
    assert.equal(stored.lifetime, 60_000, value);
    assert.equal(stored.mustValidate || stored.forbidsStale, false, value);
    assert.deepEqual([stored.staleWhileRevalidate, stored.staleIfError], [1000, 2000], value);
  }
  assert.equal(judged({ rules, status: 404, fields: cc('no-store, max-age=5') }), 'no-store');
  assert.equal(seconds({ rules, status: 404, fields: cc('max-age=5') }), 5);
  // Credentials are not a matter of lifetime.
  assert.equal(judged({ rules, request: { isAuthorized: true } }), 'authorization');
  assert.equal(judged({ rules, request: { directives: noStore } }), 'request-no-store');
});

test('heuristic freshness (RFC 9111, 4.2.2)', () => {
  const rules = { heuristicShare: 0.1 };
  const fields = { 'last-modified': at(-10 * HOUR) };
  assert.equal(judged({ fields }), 'no-lifetime', 'off');
  assert.equal(policy({ fields, rules }).lifetime, HOUR);
  assert.equal(policy({ fields, rules }).isHeuristic, true);
  assert.equal(policy({ fields: { 'last-modified': at(-10_000 * HOUR) }, rules }).lifetime, 24 * HOUR, 'at most');
  for (const status of [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]) {
    assert.equal(policy({ fields, rules, status }).lifetime, HOUR, String(status));
  }
  for (const status of [201, 202, 302, 403, 500, 502, 503, 504, 599]) {
    assert.equal(judged({ fields, rules, status }), 'no-lifetime', String(status));
  }
  assert.equal(policy({ fields: { ...fields, ...cc('public') }, rules, status: 599 }).lifetime, HOUR);
  assert.equal(policy({ fields: { ...fields, ...cc('max-age=1') }, rules }).isHeuristic, false);
  assert.equal(
    policy({ fields: { ...fields }, rules: { ...rules, ttl: 5000 } }).lifetime,
    5000,
    'the route knows better',
  );
  assert.equal(judged({ fields: { 'last-modified': at(HOUR) }, rules }), 'no-lifetime', 'changed in the future');
  assert.equal(judged({ fields: { 'last-modified': 'yesterday' }, rules }), 'no-lifetime');
});

test('what a shared cache must not store (RFC 9111, 3)', () => {
  const fresh = cc('max-age=60');
  assert.equal(judged({ fields: fresh, request: { method: 'HEAD' } }), 'method');
  assert.equal(judged({ fields: fresh, request: { method: 'POST' } }), 'method');
  for (const status of [100, 103]) assert.equal(judged({ fields: fresh, status }), 'status');
  for (const status of [206, 304]) assert.equal(judged({ fields: fresh, status }), 'partial');
  for (const status of [401, 407, 412, 416, 429, 431]) assert.equal(judged({ fields: fresh, status }), 'status');
  for (const status of [299, 302, 400, 404, 499, 500, 503, 599]) assert.equal(seconds({ fields: fresh, status }), 60);
  assert.equal(judged({ fields: fresh, request: { directives: noStore } }), 'request-no-store');
  assert.equal(judged({ fields: cc('max-age=60, no-store') }), 'no-store');
  assert.equal(judged({ fields: cc('max-age=60, private') }), 'private');
  assert.equal(seconds({ fields: cc('max-age=60, private="x", no-cache="y"') }), 60, 'but for these fields');
  assert.equal(judged({ fields: { ...fresh, vary: 'a, *' } }), 'vary');
  assert.equal(judged({}), 'no-lifetime');
  assert.equal(judged({ fields: { etag: '"1"' } }), 'no-lifetime', 'a validator alone asks for nothing');
});

test('must-understand (RFC 9111, 5.2.2.3)', () => {
  const fields = cc('max-age=60, must-understand, no-store');
  assert.equal(seconds({ fields }), 60);
  assert.equal(judged({ fields, status: 599 }), 'must-understand');
  assert.equal(judged({ fields: cc('max-age=60, must-understand'), status: 299 }), 'must-understand');
});

test('responses to requests with credentials (RFC 9111, 3.5)', () => {
  const request = { isAuthorized: true };
  assert.equal(judged({ request, fields: cc('max-age=60') }), 'authorization');
  assert.equal(judged({ request, fields: { expires: at(HOUR) } }), 'authorization');
  for (const value of ['max-age=60, public', 'max-age=60, must-revalidate', 's-maxage=60']) {
    assert.equal(seconds({ request, fields: cc(value) }), 60, value);
    assert.equal(judged({ request, fields: cc(value), rules: { authorized: 'no' } }), 'authorization', value);
  }
  assert.equal(judged({ request, fields: cc('max-age=60, proxy-revalidate') }), 'authorization');
  assert.equal(seconds({ request, fields: cc('max-age=60'), rules: { authorized: 'yes' } }), 60);
});

test('Set-Cookie', () => {
  const fields = { ...cc('max-age=60'), 'set-cookie': 'a=b' };
  assert.equal(judged({ fields, rules: { setCookie: 'refuse' } }), 'set-cookie');
  for (const setCookie of ['strip', 'keep'] as const) assert.equal(seconds({ fields, rules: { setCookie } }), 60);
  const named = { ...fields, ...cc('max-age=60, no-cache="Set-Cookie"') };
  assert.equal(seconds({ fields: named, rules: { setCookie: 'refuse' } }), 60);
});

test('initial age (RFC 9111, 4.2.3)', () => {
  const age = (fields: Record<string, string>, delay = 0) =>
    policy({ fields: { ...cc('max-age=9999'), etag: '"1"', ...fields }, delay }).initialAge / 1000;
  assert.equal(age({}), 0);
  assert.equal(age({ date: at(-30_000) }), 30, 'apparent');
  assert.equal(age({ date: at(30_000) }), 0, 'of a clock that is ahead');
  assert.equal(age({ age: '20' }), 20);
  assert.equal(age({ age: '20' }, 5000), 25, 'on its way');
  assert.equal(age({ age: '20', date: at(-30_000) }, 5000), 30, 'the greater one');
  assert.equal(age({ age: '99999999999' }), 2 ** 31);
  // Nobody knows how old it is.
  for (const value of ['x', '-1', '7.0', '7;a=1', '"7"', '', '7,9999', '0, 0'])
    assert.equal(age({ age: value }), 2 ** 31, value);
});

test('a Date has whole seconds', () => {
  const headers = HeaderBlock.of([
    ['date', formatHttpDate(NOW)],
    ['cache-control', 'max-age=1'],
  ]);
  const response = { status: 200, headers, requestTime: NOW + 990, responseTime: NOW + 990 };
  const stored = judge({ method: 'GET', directives: null, isAuthorized: false }, response, plain);
  assert.ok(typeof stored !== 'string');
  assert.equal(verdict(stored, null, NOW + 1900, false), 'fresh');
});

test('windows in which it may be stale (RFC 5861)', () => {
  const rules = { staleWhileRevalidate: 1000, staleIfError: 2000 };
  const windows = (value: string) => {
    const stored = policy({ fields: { ...cc(value), etag: '"1"' }, rules });
    return [stored.staleWhileRevalidate / 1000, stored.staleIfError / 1000, stored.forbidsStale];
  };
  assert.deepEqual(windows('max-age=5'), [1, 2, false]);
  assert.deepEqual(windows('max-age=5, stale-while-revalidate=7, stale-if-error=8'), [7, 8, false]);
  assert.deepEqual(windows('max-age=5, stale-while-revalidate=0, stale-if-error=x'), [0, 0, false]);
  assert.deepEqual(windows('max-age=5, must-revalidate, stale-if-error=9'), [0, 0, true]);
  assert.deepEqual(windows('max-age=5, proxy-revalidate'), [0, 0, true]);
  assert.deepEqual(windows('no-cache'), [0, 0, false]);
  // RFC 9111, 5.2.2.10: but what the origin itself grants beside it stands.
  assert.deepEqual(windows('s-maxage=5'), [0, 0, true]);
  assert.deepEqual(windows('s-maxage=5, stale-while-revalidate=7'), [7, 0, true]);
});

test('what could never be used is not kept', () => {
  assert.equal(judged({ fields: cc('max-age=0') }), 'useless');
  assert.equal(judged({ fields: cc('no-cache, max-age=60') }), 'useless');
  assert.equal(judged({ fields: { ...cc('max-age=60'), age: '60' } }), 'useless');
  assert.equal(judged({ fields: { ...cc('max-age=60'), age: '60', etag: 'unquoted' } }), 'useless');
  assert.equal(seconds({ fields: { ...cc('max-age=60'), age: '60' }, rules: { staleIfError: 1000 } }), 60);
  assert.equal(seconds({ fields: { ...cc('max-age=0'), etag: 'W/"1"' } }), 0);
  assert.equal(seconds({ fields: { ...cc('no-cache'), 'last-modified': at(-HOUR) } }), 0);
});

test('validators and Vary are remembered', () => {
  const modified = at(-HOUR);
  const fields = { ...cc('max-age=60'), etag: '"a,b"', 'last-modified': modified, vary: 'B, a,B' };
  const stored = policy({ fields, rules: { vary: { codings: null, languages: null, ignored: new Set(['c']) } } });
  assert.equal(stored.etag, '"a,b"');
  assert.equal(stored.lastModified, modified);
  assert.equal(stored.lastModifiedTime, NOW - HOUR);
  assert.equal(stored.date, NOW);
  assert.equal(stored.vary, 'a,b');
  const none = policy({ fields: { ...cc('max-age=60'), etag: 'x', 'last-modified': 'x', date: 'x' } });
  assert.deepEqual([none.etag, none.lastModified, none.lastModifiedTime, none.date], ['', '', -1, NOW]);
});
