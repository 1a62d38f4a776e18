import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CachedRoute, turns } from '../../../test/support/cached-route.ts';
import { noSharedResponses, type SharedResponse, type SharedResponses } from '../../plan/shared-responses.ts';

/** What machines share, in one place; it answers when a test says so. */
class TestShared implements SharedResponses {
  readonly isKept = true;
  readonly maxEntry = 1000;
  readonly known = '1';
  readonly kept = new Map<string, SharedResponse>();
  readonly asked: string[] = [];
  readonly announce = noSharedResponses.announce;
  waits = false;
  #answers: (() => void)[] = [];

  find(key: string, found: (response: SharedResponse | null) => void): void {
    this.asked.push(key);
    const answer = (): void => found(this.kept.get(key) ?? null);
    if (this.waits) this.#answers.push(answer);
    else answer();
  }

  keep(key: string, response: SharedResponse): void {
    this.kept.set(key, response);
  }

  answer(): void {
    for (const each of this.#answers.splice(0)) each();
  }
}

const minute = { 'cache-control': 'max-age=60' };

describe('a second level', () => {
  it('is asked before the service, and given what came from there', async () => {
    const shared = new TestShared();
    const one = new CachedRoute(true, { shared });
    await one.fetch({ headers: { ...minute, 'cache-tag': 'a b' }, body: 'hello' });
    const [kept] = [...shared.kept.values()];
    assert.deepEqual([kept?.purgeKey, kept?.tags, kept?.since], ['http://shop.example/things/1\nweb', ['a', 'b'], '1']);
    const other = new CachedRoute(true, { shared });
    const answer = other.ask();
    assert.deepEqual([answer.body, answer.result, answer.hasEnded], ['hello', 'hit', true]);
    assert.equal(other.origin.asked.length, 0);
    // From now on it is here.
    const asked = shared.asked.length;
    assert.equal(other.ask().result, 'hit');
    assert.equal(shared.asked.length, asked);
    assert.equal(await other.store.purge({ by: 'tag', value: 'b', soft: false }), 1);
  });

  it('knows variants and parts of keys', async () => {
    const shared = new TestShared();
    const options = { ttl: '60s', key: { headers: 'x-tenant' } };
    const headers = (tenant: string, language: string): { headers: [string, string][] } => ({
      headers: [
        ['x-tenant', tenant],
        ['accept-language', language],
      ],
    });
    const one = new CachedRoute(options, { shared });
    await one.fetch({ headers: { vary: 'accept-language' }, body: 'a de' }, '/things/1', headers('a', 'de'));
    const other = new CachedRoute(options, { shared });
    assert.equal(other.ask('/things/1', headers('a', 'de')).body, 'a de');
    assert.equal(other.ask('/things/1', headers('a', 'en')).result, null);
    assert.equal(other.ask('/things/1', headers('b', 'de')).result, null);
    assert.equal(other.origin.asked.length, 2);
  });

  it('is not asked for what a client wants anew, and its stale responses are not taken', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: 1_800_000_000_000 });
    const shared = new TestShared();
    const one = new CachedRoute(true, { shared });
    await one.fetch({ headers: minute });
    const other = new CachedRoute(true, { shared });
    const asked = shared.asked.length;
    other.ask('/things/1', { headers: [['cache-control', 'no-cache']] });
    assert.deepEqual([shared.asked.length, other.origin.asked.length], [asked, 1]);
    t.mock.timers.tick(61_000);
    const third = new CachedRoute(true, { shared });
    assert.equal(third.ask().result, null);
    assert.equal(third.origin.asked.length, 1);
  });

  it('is waited for once, by whoever comes first', async () => {
    const shared = new TestShared();
    const one = new CachedRoute(true, { shared });
    await one.fetch({ headers: minute, body: 'hello' });
    const other = new CachedRoute(true, { shared });
    shared.waits = true;
    const asked = shared.asked.length;
    const clients = [other.ask(), other.ask(), other.ask()];
    assert.equal(shared.asked.length, asked + 1);
    clients[0]?.call.cancel();
    shared.answer();
    await turns();
    assert.deepEqual(
      clients.map(({ body }) => body),
      ['', 'hello', 'hello'],
    );
    assert.equal(other.origin.asked.length, 0);
  });

  it('that has nothing is no reason to fail whoever waits', async () => {
    const shared = new TestShared();
    shared.waits = true;
    const route = new CachedRoute(true, { shared });
    const clients = [route.ask(), route.ask()];
    clients[0]?.call.cancel();
    shared.answer();
    await turns();
    assert.equal(route.origin.asked.length, 1);
    route.origin.last.respond({ headers: minute, body: 'hello' });
    await turns();
    assert.equal(clients[1]?.body, 'hello');
    assert.equal(route.store.held, 0);
  });

  it('does not get what is too large for it', async () => {
    const shared = new TestShared();
    const route = new CachedRoute(true, { shared });
    await route.fetch({ headers: minute, body: 'x'.repeat(2_000) });
    assert.equal(shared.kept.size, 0);
    assert.equal(route.ask().result, 'hit');
  });
});
