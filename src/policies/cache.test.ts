import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AskedOrigin, CachedRoute, turns } from '../../test/support/cached-route.ts';
import { MemoryResponseStore } from '../../test/support/memory-response-store.ts';
import { errors } from '../base/gateway-error.ts';

const minute = { 'cache-control': 'max-age=60' };

describe('a cache', () => {
  it('answers from what it has stored', async () => {
    const route = new CachedRoute();
    const first = await route.fetch({ headers: { ...minute, etag: '"1"' }, body: 'hello' });
    assert.deepEqual([first.status, first.body, first.result], [200, 'hello', 'miss']);
    assert.match(first.field('cache-status') ?? '', /^Sluice; fwd=uri-miss; fwd-status=200; ttl=60; stored$/);
    const second = route.ask();
    assert.deepEqual([second.status, second.body, second.result, second.hasEnded], [200, 'hello', 'hit', true]);
    assert.equal(second.field('age'), '0');
    assert.equal(second.field('content-length'), '5');
    assert.match(second.field('cache-status') ?? '', /^Sluice; hit; ttl=(60|59)$/);
    assert.equal(route.origin.asked.length, 1);
    assert.equal(route.store.held, 0);
  });

  it('answers conditions, ranges and HEAD from what is stored', async () => {
    const route = new CachedRoute();
    await route.fetch({ headers: { ...minute, etag: '"1"' }, body: '0123456789' });
    const same = route.ask('/things/1', { headers: [['if-none-match', '"1"']] });
    assert.deepEqual([same.status, same.body, same.field('etag')], [304, '', '"1"']);
    const part = route.ask('/things/1', { headers: [['range', 'bytes=2-4']] });
    assert.deepEqual([part.status, part.body, part.field('content-range')], [206, '234', 'bytes 2-4/10']);
    const beyond = route.ask('/things/1', { headers: [['range', 'bytes=20-']] });
    assert.deepEqual([beyond.status, beyond.body, beyond.field('content-range')], [416, '', 'bytes */10']);
    const head = route.ask('/things/1', { method: 'HEAD' });
    assert.deepEqual([head.status, head.body, head.field('content-length')], [200, '', '10']);
    assert.equal(route.origin.asked.length, 1);
    assert.equal(route.store.held, 0);
  });

  it('asks for the whole, whatever the client has, and answers the client', async () => {
    const route = new CachedRoute();
    const client = route.ask('/things/1', {
      headers: [
        ['if-none-match', '"1"'],
        ['range', 'bytes=0-1'],
      ],
    });
    const { last } = route.origin;
    assert.deepEqual([last.field('if-none-match'), last.field('range')], [null, null]);
    last.respond({ headers: { ...minute, etag: '"1"' }, body: 'hello' });
    assert.deepEqual([client.status, client.body, client.hasEnded], [304, '', true]);
    await turns();
    assert.equal(route.ask().body, 'hello');
    const part = route.ask('/things/2', { headers: [['range', 'bytes=1-2']] });
    route.origin.last.respond({ headers: minute, body: 'hello' });
    assert.deepEqual([part.status, part.body, part.field('content-length')], [206, 'el', '2']);
    assert.equal(route.ask('/things/2').body, 'hello');
  });

  it('keeps nothing that may not be kept, and says why', async () => {
    const route = new CachedRoute();
    const cases: [Record<string, string>, string][] = [
      [{ 'cache-control': 'no-store' }, 'no-store'],
      [{ 'cache-control': 'private, max-age=60' }, 'private'],
      [{ ...minute, 'set-cookie': 'a=1' }, 'set-cookie'],
      [{ ...minute, vary: '*' }, 'vary'],
      [{}, 'no-lifetime'],
    ];
    for (const [headers, why] of cases) {
      const answer = await route.fetch({ headers });
      assert.match(answer.field('cache-status') ?? '', new RegExp(`detail=${why}$`));
      assert.equal(answer.body, 'a body');
    }
    assert.equal(route.origin.asked.length, cases.length);
    assert.equal(route.store.flights.size, 0);
  });

  it('gives a lifetime where the service says nothing, or whatever it says', async () => {
    const silent = new CachedRoute({ ttl: '60s', byStatus: { 404: '10s', 301: '0' } });
    await silent.fetch({});
    assert.equal(silent.ask().result, 'hit');
    await silent.fetch({ status: 404 }, '/none');
    assert.equal(silent.ask('/none').status, 404);
    await silent.fetch({ status: 301 }, '/moved');
    silent.ask('/moved');
    await silent.fetch({ headers: { 'cache-control': 'no-store' } }, '/secret');
    silent.ask('/secret');
    assert.equal(silent.origin.asked.length, 6);
    const forced = new CachedRoute({ ttl: '60s', override: true });
    await forced.fetch({ headers: { 'cache-control': 'no-store' } });
    assert.equal(forced.ask().result, 'hit');
  });

  it('validates, and freshens what it has with a 304', async () => {
    const route = new CachedRoute();
    await route.fetch({ headers: { 'cache-control': 'max-age=60, no-cache', etag: '"1"' }, body: 'hello' });
    const again = route.ask();
    assert.equal(route.origin.last.field('if-none-match'), '"1"');
    route.origin.last.respond({ status: 304, headers: { ...minute, etag: '"1"', 'x-new': 'yes' } });
    await turns();
    assert.deepEqual([again.status, again.body, again.result], [200, 'hello', 'revalidated']);
    assert.equal(again.field('x-new'), 'yes');
    assert.match(again.field('cache-status') ?? '', /fwd=stale; fwd-status=304/);
    assert.equal(route.ask().result, 'hit');
    assert.equal(route.store.held, 0);
  });

  it('stores of a 304, and of a HEAD, what may be stored of a response', async () => {
    const route = new CachedRoute();
    await route.fetch({ headers: { 'cache-control': 'no-cache', etag: '"1"' }, body: 'hello' });
    const again = route.ask();
    const news = { 'cache-control': 'max-age=60, private="x-a"', etag: '"1"', age: '7', 'x-a': '1', 'x-b': '1' };
    route.origin.last.respond({ status: 304, headers: news });
    await turns();
    for (const answer of [again, route.ask()]) {
      assert.deepEqual([answer.field('age'), answer.field('x-a'), answer.field('x-b')], ['7', null, '1']);
    }
    const head = { method: 'HEAD', headers: [['cache-control', 'no-cache']] satisfies [string, string][] };
    route.ask('/things/1', head);
    route.origin.last.respond({ headers: { ...news, age: '9', 'x-b': '2' } });
    await turns();
    const last = route.ask();
    assert.deepEqual([last.field('age'), last.field('x-a'), last.field('x-b')], ['9', null, '2']);
  });

  it('asks again for the whole when a 304 is about something else', async () => {
    const route = new CachedRoute();
    await route.fetch({ headers: { 'cache-control': 'no-cache', etag: '"1"' }, body: 'one' });
    const again = route.ask();
    route.origin.last.respond({ status: 304, headers: { etag: '"2"' } });
    assert.equal(route.origin.last.field('if-none-match'), null);
    route.origin.last.respond({ headers: { ...minute, etag: '"2"' }, body: 'two' });
    await turns();
    assert.deepEqual([again.status, again.body], [200, 'two']);
    assert.equal(route.ask().body, 'two');
  });

  it('replaces what is stored by a new response', async () => {
    const route = new CachedRoute();
    await route.fetch({ headers: { 'cache-control': 'no-cache', etag: '"1"' }, body: 'one' });
    const again = await route.fetch({ headers: { ...minute, etag: '"2"' }, body: 'two' });
    assert.deepEqual([again.body, again.result], ['two', 'miss']);
    assert.equal(route.ask().body, 'two');
    assert.equal(route.store.held, 0);
  });

  it('serves stale while it refreshes in the background', async () => {
    const route = new CachedRoute({ ttl: '0', staleWhileRevalidate: '60s' });
    await route.fetch({ headers: { etag: '"1"' }, body: 'one' });
    const stale = route.ask('/things/1', { headers: [['cookie', 'a=1']] });
    assert.deepEqual([stale.body, stale.result, stale.hasEnded], ['one', 'stale', true]);
    assert.equal(route.origin.asked.length, 2);
    assert.equal(route.origin.last.call.exchange, null);
    // Nobody else begins another one meanwhile.
    assert.equal(route.ask().result, 'stale');
    assert.equal(route.origin.asked.length, 2);
    route.origin.last.respond({ headers: { ...minute, etag: '"2"' }, body: 'two' });
    await turns();
    assert.deepEqual([route.ask().body, route.ask().result], ['two', 'hit']);
    assert.equal(route.store.held, 0);
  });

  it('serves stale where the service fails, and asks it again a little later', async () => {
    const route = new CachedRoute({ ttl: '0', staleIfError: '1h' });
    await route.fetch({ headers: { etag: '"1"' }, body: 'one' });
    const first = route.ask();
    route.origin.last.fail();
    assert.deepEqual([first.body, first.result, first.hasEnded, first.call.servedStale], ['one', 'stale', true, true]);
    // Not everybody has to wait for the same failure.
    assert.equal(route.ask().result, 'stale');
    assert.equal(route.origin.asked.length, 2);
    const answered = new CachedRoute({ ttl: '0', staleIfError: '1h' });
    await answered.fetch({ headers: { etag: '"1"' }, body: 'one' });
    const second = answered.ask();
    answered.origin.last.head({ status: 503, body: 'sorry' });
    assert.deepEqual([second.status, second.body], [200, 'one']);
    assert.ok(answered.origin.last.isCancelled);
    assert.equal(answered.store.held, 0);
  });

  it('serves stale where a fallback would rather have it', async () => {
    const route = new CachedRoute({ ttl: '0' });
    await route.fetch({ headers: { etag: '"1"' }, body: 'one' });
    const refused = route.ask();
    route.origin.last.fail();
    assert.equal(refused.error?.code, 'upstream_reset');
    const wanted = route.ask('/things/1');
    wanted.call.acceptsStale = true;
    route.origin.last.fail();
    assert.deepEqual([wanted.body, wanted.call.servedStale], ['one', true]);
  });

  it('removes what an unsafe method changes', async () => {
    const route = new CachedRoute({ ttl: '60s' });
    await route.fetch({ headers: { vary: 'x-a' } });
    await route.fetch({}, '/things/2');
    assert.equal(route.ask().result, 'hit');
    await route.fetch({ status: 500 }, '/things/1', { method: 'POST' });
    assert.equal(route.ask().result, 'hit');
    const changed = await route.fetch({ headers: { location: '/things/2' } }, '/things/1', { method: 'POST' });
    assert.equal(changed.field('cache-status'), 'Sluice; fwd=method');
    assert.equal(route.ask().result, null);
    assert.equal(route.ask('/things/2').result, null);
  });

  it('answers 504 to who wants nothing but what is stored', async () => {
    const route = new CachedRoute();
    const none = route.ask('/things/1', { headers: [['cache-control', 'only-if-cached']] });
    assert.equal(none.error?.code, 'not_cached');
    await route.fetch({ headers: minute });
    assert.equal(route.ask('/things/1', { headers: [['cache-control', 'only-if-cached']] }).result, 'hit');
  });

  it('goes past what it is told to', async () => {
    const route = new CachedRoute({ ttl: '60s', bypass: "header['x-debug'] == '1'", noStore: "'preview' in query" });
    await route.fetch({});
    const debug = route.ask('/things/1', { headers: [['x-debug', '1']] });
    assert.deepEqual([debug.result, route.origin.asked.length], ['bypass', 2]);
    await route.fetch({}, '/things/2?preview');
    assert.equal(route.ask('/things/2?preview').result, null);
  });

  it('refreshes early what is asked for often', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: 1_800_000_000_000 });
    const route = new CachedRoute({ ttl: '10s' });
    route.ask();
    t.mock.timers.tick(200);
    route.origin.last.respond({ headers: { etag: '"1"' } });
    await turns();
    t.mock.timers.tick(7_000);
    t.mock.method(Math, 'random', () => 1e-9);
    assert.equal(route.ask().result, 'hit');
    assert.equal(route.origin.asked.length, 1);
    t.mock.timers.tick(2_000);
    assert.equal(route.ask().result, 'hit');
    assert.equal(route.origin.asked.length, 2);
    assert.equal(route.origin.last.field('if-none-match'), '"1"');
    route.origin.last.respond({ status: 304 });
    await turns();
    t.mock.timers.tick(5_000);
    assert.equal(route.ask().result, 'hit');
  });

  it('does not stop for lifetimes that have passed', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: 1_800_000_000_000 });
    const route = new CachedRoute({ ttl: '10s', staleWhileRevalidate: '5s' });
    await route.fetch({});
    t.mock.timers.tick(9_000);
    const fresh = route.ask();
    assert.deepEqual([fresh.result, fresh.field('age')], ['hit', '9']);
    t.mock.timers.tick(4_000);
    const stale = route.ask();
    assert.match(stale.field('cache-status') ?? '', /^Sluice; hit; ttl=-3$/);
    t.mock.timers.tick(10_000);
    assert.equal(route.ask().result, null);
    assert.equal(route.store.held, 0);
  });
});

describe('requests for the same', () => {
  it('are sent to the service once, and get the response while it arrives', async () => {
    const route = new CachedRoute();
    const clients = Array.from({ length: 100 }, () => route.ask());
    assert.equal(route.origin.asked.length, 1);
    const { last } = route.origin;
    last.head({ headers: minute, body: 'one two' });
    last.data('one');
    await turns();
    assert.deepEqual(new Set(clients.map(({ status, body }) => `${status} ${body}`)), new Set(['200 one']));
    last.data(' two');
    last.end();
    await turns();
    assert.ok(clients.every(({ body, hasEnded }) => body === 'one two' && hasEnded));
    assert.deepEqual([clients[0]?.result, clients[1]?.result], ['miss', 'coalesced']);
    assert.match(clients[1]?.field('cache-status') ?? '', /collapsed/);
    assert.equal(route.origin.asked.length, 1);
  });

  it('are sent once for each variant', async () => {
    const route = new CachedRoute();
    const language = (index: number) => `l${index % 10}`;
    const clients = Array.from({ length: 100 }, (_, index) =>
      route.ask('/things/1', { headers: [['accept-language', language(index)]] }),
    );
    for (let turn = 0; turn < 3; turn++) {
      for (const asked of route.origin.asked.slice(turn === 0 ? 0 : 1)) {
        if (asked.call.runner === null) continue;
        asked.respond({
          headers: { ...minute, vary: 'accept-language' },
          body: `in ${asked.field('accept-language')}`,
        });
        asked.call.runner = null;
      }
      await turns();
    }
    for (const [index, { body, hasEnded }] of clients.entries()) {
      assert.deepEqual([body, hasEnded], [`in ${language(index)}`, true]);
    }
    assert.equal(route.origin.asked.length, 10);
    assert.equal(route.ask('/things/1', { headers: [['accept-language', 'l3']] }).body, 'in l3');
    assert.equal(route.origin.asked.length, 10);
  });

  it('go on their own when the response cannot be stored', async () => {
    const route = new CachedRoute();
    const clients = [route.ask(), route.ask(), route.ask()];
    route.origin.last.respond({ headers: { 'cache-control': 'private' }, body: 'mine' });
    await turns();
    assert.equal(route.origin.asked.length, 3);
    for (const asked of route.origin.asked.slice(1)) asked.respond({ body: 'yours' });
    assert.deepEqual(
      clients.map(({ body }) => body),
      ['mine', 'yours', 'yours'],
    );
    // From now on nobody waits.
    const before = route.origin.asked.length;
    route.ask();
    route.ask();
    assert.equal(route.origin.asked.length, before + 2);
  });

  it('survive the client for whom the response is fetched', async () => {
    const route = new CachedRoute();
    const [first, second] = [route.ask(), route.ask()];
    first.call.cancel();
    route.origin.last.head({ headers: minute, body: 'hello' });
    route.origin.last.data('hel');
    await turns();
    assert.equal(second.body, 'hel');
    const third = route.ask();
    third.call.cancel();
    second.call.cancel();
    route.origin.last.data('lo');
    route.origin.last.end();
    await turns();
    assert.equal(first.status, 0);
    assert.deepEqual([route.ask().body, route.ask().result], ['hello', 'hit']);
    assert.equal(route.origin.asked.length, 1);
  });

  it('end with it when nothing is to be stored', async () => {
    const route = new CachedRoute();
    const client = route.ask();
    route.origin.last.head({ headers: { 'cache-control': 'no-store' } });
    client.call.cancel();
    assert.ok(route.origin.last.isCancelled);
    const gone = route.ask('/things/2');
    gone.call.cancel();
    assert.ok(!route.origin.last.isCancelled);
    route.origin.last.head({ headers: { 'cache-control': 'no-store' } });
    assert.ok(route.origin.last.isCancelled);
  });

  it('share a failure instead of repeating it', async () => {
    const route = new CachedRoute();
    const clients = [route.ask(), route.ask(), route.ask()];
    route.origin.last.fail();
    await turns();
    assert.deepEqual(
      clients.map(({ error }) => error?.code),
      ['upstream_reset', 'upstream_reset', 'upstream_reset'],
    );
    assert.equal(route.origin.asked.length, 1);
    // Whoever comes later tries again.
    route.ask();
    assert.equal(route.origin.asked.length, 2);
  });

  it('learn that a response stays incomplete', async () => {
    const route = new CachedRoute();
    const clients = [route.ask(), route.ask()];
    route.origin.last.head({ headers: minute, body: 'hello' });
    route.origin.last.data('hel');
    await turns();
    route.origin.last.fail();
    await turns();
    assert.ok(clients.every(({ body, error, hasEnded }) => body === 'hel' && error !== null && !hasEnded));
    assert.equal(route.ask().result, null);
  });

  it('go on their own when the response is too large', async () => {
    const route = new CachedRoute({ maxObject: '1KiB' });
    const long = 'x'.repeat(4096);
    const declared = [route.ask(), route.ask()];
    route.origin.last.respond({ headers: minute, body: long });
    await turns();
    route.origin.last.respond({ headers: minute, body: long });
    assert.ok(declared.every(({ body, hasEnded }) => body === long && hasEnded));
    const streamed = route.ask('/things/2');
    const { last } = route.origin;
    last.head({ headers: minute, chunked: true });
    for (let at = 0; at < long.length; at += 512) last.data(long.slice(at, at + 512));
    last.end();
    assert.deepEqual([streamed.body, streamed.hasEnded], [long, true]);
    assert.equal(route.ask('/things/2').result, null);
  });

  it('get the rest from the service when the response becomes too large', async () => {
    const long = Array.from({ length: 1024 }, (_, index) => String(index % 10))
      .join('')
      .repeat(4);
    const flood = (asked: AskedOrigin, text: string): void => {
      asked.head({ headers: minute, chunked: true });
      for (let at = 0; at < text.length; at += 300) asked.data(text.slice(at, at + 300));
      asked.end();
    };
    const route = new CachedRoute({ maxObject: '1KiB' });
    const clients = [route.ask(), route.ask(), route.ask()];
    const { last } = route.origin;
    last.head({ headers: minute, chunked: true });
    last.data(long.slice(0, 500));
    await turns();
    assert.ok(clients.every(({ body }) => body === long.slice(0, 500)));
    for (let at = 500; at < long.length; at += 500) last.data(long.slice(at, at + 500));
    last.end();
    await turns();
    assert.equal(route.origin.asked.length, 3);
    flood(route.origin.asked[1] as AskedOrigin, long);
    // What is different now is no rest of that.
    flood(route.origin.asked[2] as AskedOrigin, long.replace('123', '456'));
    const ends = clients.map(({ body, hasEnded, error }) => [body === long, hasEnded, error === null]);
    assert.deepEqual(ends, [
      [true, true, true],
      [true, true, true],
      [false, false, false],
    ]);
  });

  it('wait only so long for a response to begin', async () => {
    const route = new CachedRoute({ coalesce: { timeout: '1ms' } });
    route.ask();
    const second = route.ask();
    assert.equal(route.origin.asked.length, 1);
    await new Promise((resolve) => setTimeout(resolve, 250));
    assert.equal(route.origin.asked.length, 2);
    route.origin.last.respond({ body: 'mine' });
    assert.equal(second.body, 'mine');
  });

  it('wait for the answer to a validation', async () => {
    const route = new CachedRoute();
    await route.fetch({ headers: { 'cache-control': 'no-cache', etag: '"1"' }, body: 'one' });
    const clients = [route.ask(), route.ask(), route.ask()];
    route.origin.last.respond({ status: 304, headers: { 'cache-control': 'no-cache', etag: '"1"' } });
    await turns();
    assert.ok(clients.every(({ body, hasEnded }) => body === 'one' && hasEnded));
    assert.equal(route.origin.asked.length, 2);
    assert.equal(route.store.held, 0);
  });

  it('are not slowed down by the client for whom the response is fetched', async () => {
    const route = new CachedRoute();
    const [slow, fast] = [route.ask(), route.ask()];
    slow.takes = false;
    const { last } = route.origin;
    last.head({ headers: minute, body: 'one two three' });
    assert.ok(last.data('one '));
    assert.ok(last.data('two '));
    await turns();
    assert.deepEqual([slow.body, fast.body], ['one ', 'one two ']);
    slow.call.resume();
    assert.equal(slow.body, 'one two ');
    last.data('three');
    last.end();
    await turns();
    assert.ok(fast.hasEnded && !slow.hasEnded);
    slow.takes = true;
    slow.call.resume();
    assert.deepEqual([slow.body, slow.hasEnded], ['one two three', true]);
  });

  it('do not share what was refused to one of them for who he is', async () => {
    const route = new CachedRoute();
    const [first, second] = [route.ask(), route.ask()];
    route.origin.last.fail(errors.overloaded);
    await turns();
    assert.deepEqual([first.error?.code, second.error, route.origin.asked.length], ['overloaded', null, 2]);
    route.origin.last.respond({ body: 'for all others' });
    assert.equal(second.body, 'for all others');
  });

  it('have their time, however little the first one has', () => {
    const route = new CachedRoute();
    route.ask();
    assert.ok(route.origin.last.call.isForOthers && route.origin.last.call.again().isForOthers);
  });

  it('go on without it when all that may be held for slow clients is held', async () => {
    const store = new MemoryResponseStore(64 * 1024 ** 2);
    const route = new CachedRoute({ maxObject: '64MiB' }, { store });
    const [slow, fast] = [route.ask(), route.ask()];
    slow.takes = false;
    const { last } = route.origin;
    last.head({ headers: minute, chunked: true });
    const piece = 'x'.repeat(4 * 1024 ** 2);
    let pieces = 0;
    while (last.data(piece)) pieces++;
    assert.equal(pieces, 8);
    await turns();
    assert.deepEqual([route.origin.asked.length, store.flights.size], [2, 0]);
    fast.call.cancel();
    slow.call.cancel();
    assert.ok(last.isCancelled && route.origin.last.isCancelled);
  });

  it('stop the service for a slow client when nothing is stored', async () => {
    const route = new CachedRoute();
    const slow = route.ask();
    slow.takes = false;
    route.origin.last.head({ headers: { 'cache-control': 'no-store' } });
    assert.equal(route.origin.last.data('a body'), false);
    slow.call.resume();
    assert.equal(route.origin.last.resumed, 1);
  });

  it('may be asked each on its own', async () => {
    const route = new CachedRoute({ coalesce: false });
    route.ask();
    route.ask();
    assert.equal(route.origin.asked.length, 2);
  });
});
