import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CachedRoute, type ClientAnswer, turns } from '../../../test/support/cached-route.ts';
import type { ExchangeFacts } from '../../../test/support/exchange.ts';

/** What one client sends must not decide what another one gets. */

const minute = { 'cache-control': 'max-age=60' };
const plain = { target: '/things/1' };

/** The service answers with what it was asked, as one would that trusts it. */
async function poison(
  route: CachedRoute,
  facts: ExchangeFacts & { upstreamTarget?: string },
  victim: ExchangeFacts & { upstreamTarget?: string } = plain,
): Promise<ClientAnswer> {
  const { target = '/things/1', ...rest } = facts;
  const before = route.origin.asked.length;
  route.ask(target, rest);
  const asked = route.origin.asked[before];
  asked?.respond({ headers: minute, body: 'poison' });
  await turns();
  const { target: wanted = '/things/1', ...others } = victim;
  return route.ask(wanted, others);
}

const isClean = (answer: ClientAnswer): void => assert.notEqual(answer.body, 'poison');

describe('a cache is not poisoned', () => {
  it('by fields with which services let a request be another one', async () => {
    for (const name of ['x-http-method-override', 'x-original-url', 'x-rewrite-url', 'x-host', 'x-forwarded-path']) {
      isClean(await poison(new CachedRoute(), { headers: [[name, 'evil']] }));
    }
  });

  it('by other spellings of those, and of what the gateway says of clients', async () => {
    for (const name of ['x_http_method_override', 'x_original.url', 'x_forwarded_host', 'x-forwarded_proto']) {
      const route = new CachedRoute();
      const own = ['x-forwarded-host', 'shop.example'] as const;
      await poison(route, { headers: [[name, 'evil'], own] });
      assert.deepEqual(
        [route.origin.asked[0]?.field(name), route.origin.asked[0]?.field('x-forwarded-host')],
        [null, 'shop.example'],
        name,
      );
    }
  });

  it('by fields outside of the key, where the route lets none through', async () => {
    const route = new CachedRoute({ headers: 'remove', key: { headers: 'x-tenant' } });
    await poison(route, {
      headers: [
        ['x-anything', 'evil'],
        ['x-tenant', 'a'],
        ['accept', 'text/html'],
      ],
    });
    const { last } = route.origin;
    const [asked] = route.origin.asked;
    assert.equal(asked?.field('x-anything'), null);
    assert.equal(asked?.field('x-tenant'), 'a');
    assert.equal(asked?.field('accept'), 'text/html');
    assert.notEqual(last, asked);
  });

  it('by another spelling of a field in the key', async () => {
    const route = new CachedRoute({ key: { headers: 'x-tenant' } });
    await poison(route, { headers: [['x_tenant', 'evil']] });
    assert.equal(route.origin.asked[0]?.field('x_tenant'), null);
  });

  it('by the host, its port or the scheme', async () => {
    isClean(await poison(new CachedRoute(), { host: 'evil.example' }));
    isClean(await poison(new CachedRoute(), { host: 'shop.example:1337' }));
    isClean(await poison(new CachedRoute(), { scheme: 'https' }));
    const route = new CachedRoute();
    const same = await poison(route, { host: 'SHOP.example' });
    assert.equal(same.result, 'hit');
  });

  it('by paths that look alike', async () => {
    for (const target of [
      '/things/1/',
      '/things//1',
      '/things/1;a',
      '/things/1%2e',
      '/Things/1',
      '/things/1?',
      '/things/1?a',
    ]) {
      const answer = await poison(new CachedRoute(), { target });
      if (target !== '/things/1?') isClean(answer);
    }
    // What the one normalisation makes the same is the same for the service.
    assert.equal((await poison(new CachedRoute(), { target: '/things/./x/../1' })).result, 'hit');
  });

  it('by what a rewrite makes the same', async () => {
    const route = new CachedRoute();
    isClean(await poison(route, { upstreamTarget: '/things/1' }));
    assert.equal(route.ask('/other', { upstreamTarget: '/things/1' }).result, 'hit');
  });

  it('by parameters outside of the key: the service does not get them', async () => {
    const route = new CachedRoute({ key: { query: { without: ['utm_*', 'fbclid'] } } });
    await poison(route, { target: '/things/1?utm_source=%3Cscript%3E&id=1&%66bclid=2' });
    assert.equal(route.origin.asked[0]?.call.target, '/things/1?id=1');
    const chosen = new CachedRoute({ key: { query: ['id', 'page'] } });
    await poison(chosen, { target: '/things/1?page=2&evil=1&id=1&id=2' });
    assert.equal(chosen.origin.asked[0]?.call.target, '/things/1?id=1&id=2&page=2');
    assert.equal(chosen.ask('/things/1?id=1&id=2&page=2&other').result, 'hit');
    isClean(chosen.ask('/things/1?id=2&id=1&page=2'));
  });

  it('by a HEAD, which freshens what is stored', async () => {
    const evil = [
      ['cookie', 'a=evil'],
      ['x-any', 'evil'],
      ['cache-control', 'no-cache'],
    ] as const;
    const tagged = { ...minute, etag: '"1"' };
    for (const options of [{ key: { query: 'none' } }, { cookies: 'remove', headers: 'remove' }]) {
      const route = new CachedRoute(options);
      await route.fetch({ headers: tagged });
      const head = route.ask('key' in options ? '/things/1?evil' : '/things/1', { method: 'HEAD', headers: evil });
      const asked = route.origin.last;
      if ('key' in options) assert.equal(asked.call.target, '/things/1');
      else assert.deepEqual([asked.field('cookie'), asked.field('x-any')], [null, null]);
      head.call.cancel();
      assert.ok(asked.isCancelled);
    }
    const route = new CachedRoute({ noStore: "'x-any' in header" });
    await route.fetch({ headers: tagged });
    await route.fetch({ headers: { ...tagged, 'x-new': 'evil' } }, '/things/1', { method: 'HEAD', headers: evil });
    assert.deepEqual([route.ask().result, route.ask().field('x-new')], ['hit', null]);
  });

  it('by cookies', async () => {
    const silent = new CachedRoute({ ttl: '60s' });
    silent.ask('/things/1', { headers: [['cookie', 'session=evil']] });
    silent.origin.last.respond({ body: 'poison' });
    await turns();
    isClean(silent.ask());
    const keyed = new CachedRoute({ ttl: '60s', cookies: 'remove', key: { cookies: 'currency' } });
    const twice = [['cookie', 'currency=EUR; currency=evil; session=1']] as const;
    isClean(await poison(keyed, { headers: twice }, { headers: [['cookie', 'currency=EUR']] }));
    assert.equal(keyed.origin.asked[0]?.field('cookie'), 'currency=EUR; currency=evil');
    assert.equal(keyed.ask('/things/1', { headers: [['cookie', 'a=b; currency=EUR; currency=evil']] }).result, 'hit');
  });

  it('by values that reach into the next part of the key', async () => {
    const route = new CachedRoute({ key: { headers: ['x-a', 'x-b'] } });
    const one = [['x-a', '1\tx-b 1 2']] as const;
    isClean(
      await poison(
        route,
        { headers: one },
        {
          headers: [
            ['x-a', '1'],
            ['x-b', '2'],
          ],
        },
      ),
    );
  });

  it('by long keys, which are not stored', async () => {
    const long = `/things/1?${'x'.repeat(5_000)}`;
    isClean(await poison(new CachedRoute(), { target: long }, { target: long }));
    const route = new CachedRoute({ key: { headers: 'x-a' } });
    const headers = [['x-a', 'x'.repeat(5_000)]] as const;
    isClean(await poison(route, { headers }, { headers }));
  });

  it('by content, upgrades and conditions that only the service can answer', async () => {
    for (const headers of [[['if-match', '"1"']], [['if-unmodified-since', 'x']]] as const) {
      isClean(await poison(new CachedRoute(), { headers }));
    }
  });

  it('by responses to other methods', async () => {
    for (const method of ['POST', 'OPTIONS', 'PURGE', 'get']) isClean(await poison(new CachedRoute(), { method }));
    const route = new CachedRoute();
    route.ask('/things/1', { method: 'HEAD' });
    route.origin.last.respond({ headers: minute });
    await turns();
    assert.equal(route.ask().result, null);
  });

  it('by codings that a client does not take', async () => {
    const route = new CachedRoute();
    const gzip = route.ask('/things/1', { headers: [['accept-encoding', 'gzip, x-evil']] });
    assert.equal(route.origin.last.field('accept-encoding'), 'gzip');
    route.origin.last.respond({
      headers: { ...minute, vary: 'Accept-Encoding', 'content-encoding': 'gzip' },
      body: 'zzz',
    });
    await turns();
    assert.equal(gzip.body, 'zzz');
    assert.equal(route.ask('/things/1', { headers: [['accept-encoding', 'br, gzip']] }).result, null);
    assert.equal(route.ask('/things/1', { headers: [['accept-encoding', 'gzip;q=0.5']] }).result, 'hit');
    assert.equal(route.ask().result, null);
  });
});

describe('what is for one caller', () => {
  const alice = { identity: { id: 'alice' } };
  const bob = { identity: { id: 'bob' } };

  async function share(route: CachedRoute, one: ExchangeFacts, headers: Record<string, string>): Promise<ClientAnswer> {
    await route.fetch({ headers, body: 'of alice' }, '/things/1', one);
    return route.ask('/things/1', bob);
  }

  it('is for everybody where the service is not told who calls', async () => {
    assert.equal((await share(new CachedRoute({ ttl: '60s' }), alice, {})).result, 'hit');
  });

  it('stays for that caller when the service is told, unless it says otherwise itself', async () => {
    const headers = [['authorization', 'Bearer a']] as const;
    const told: ExchangeFacts = { ...alice, headers };
    assert.equal((await share(new CachedRoute({ ttl: '60s' }), told, {})).result, null);
    assert.equal((await share(new CachedRoute({ ttl: '60s' }), told, minute)).result, null);
    // The route's lifetime is no word of the service.
    assert.equal((await share(new CachedRoute({ ttl: '60s' }), told, { 'cache-control': 'public' })).result, null);
    const forced = new CachedRoute({ ttl: '60s', override: true });
    assert.equal((await share(forced, told, { 'cache-control': 'public' })).result, null);
    for (const said of ['public, max-age=60', 's-maxage=60']) {
      assert.equal((await share(new CachedRoute(), told, { 'cache-control': said })).result, 'hit');
    }
    assert.equal((await share(new CachedRoute({ ttl: '60s', shared: true }), told, {})).result, 'hit');
  });

  it('is so with every credential and every field that tells who calls', async () => {
    const credentials = { headers: ['x-api-key'], parameters: ['key'] };
    const told: ExchangeFacts = { ...alice, headers: [['x-api-key', 'a']] };
    assert.equal((await share(new CachedRoute({ ttl: '60s' }, { credentials }), told, {})).result, null);
    const identityFields = ['x-user-id'];
    const named: ExchangeFacts = { ...alice, headers: [['x-user-id', 'alice']] };
    assert.equal((await share(new CachedRoute({ ttl: '60s' }, { identityFields }), named, {})).result, null);
    const inQuery = new CachedRoute({ ttl: '60s' }, { credentials });
    await inQuery.fetch({}, '/things/1?key=a', alice);
    assert.equal(inQuery.ask('/things/1?key=a', bob).result, null);
  });

  it('is so where a route passes on what was presented', async () => {
    const setting = (value: unknown) => ({
      placement: { setting: (name: string) => (name === 'request' ? value : undefined) },
    });
    const copied = setting({ headers: { set: { 'x-token': '{header.authorization}' } } });
    const told: ExchangeFacts = { headers: [['x-token', 'a']] };
    assert.equal((await share(new CachedRoute({ ttl: '60s' }, copied), told, {})).result, null);
    const renamed = setting({ headers: { rename: { authorization: 'x-token' } } });
    assert.equal((await share(new CachedRoute({ ttl: '60s' }, renamed), told, {})).result, null);
    const rewritten = setting({ path: '/users/{identity.id}' });
    assert.equal((await share(new CachedRoute({ ttl: '60s' }, rewritten), alice, {})).result, null);
    const handler = { placement: { target: 'handler' as const } };
    assert.equal((await share(new CachedRoute({ ttl: '60s' }, handler), alice, {})).result, null);
  });

  it('is kept for each caller where the key tells them apart', async () => {
    const route = new CachedRoute({ ttl: '60s', key: { identity: true } });
    const told = (id: string) => ({ identity: { id }, headers: [['authorization', `Bearer ${id}`]] }) as const;
    await route.fetch({ body: 'of alice' }, '/things/1', told('alice'));
    assert.equal(route.ask('/things/1', told('alice')).body, 'of alice');
    assert.equal(route.ask('/things/1', told('bob')).result, null);
    // Nobody that the gateway knows: there is nothing to tell callers apart by.
    await route.fetch({ body: 'of somebody' }, '/things/2', { headers: [['authorization', 'Bearer x']] });
    assert.equal(route.ask('/things/2', { headers: [['authorization', 'Bearer y']] }).result, null);
    const consumers = new CachedRoute({ ttl: '60s', key: { consumer: true } });
    const of = (id: string, consumer: string) => ({ ...told(id), identity: { id, consumer } });
    await consumers.fetch({}, '/things/1', of('a', 'acme'));
    assert.equal(consumers.ask('/things/1', of('b', 'acme')).result, 'hit');
    assert.equal(consumers.ask('/things/1', of('b', 'other')).result, null);
  });

  it('is not given to others who wait for the same', async () => {
    const route = new CachedRoute({ ttl: '60s' });
    const headers = [['authorization', 'Bearer a']] as const;
    route.ask('/things/1', { ...alice, headers });
    const other = route.ask('/things/1', bob);
    route.origin.asked[0]?.respond({ body: 'of alice' });
    await turns();
    assert.equal(other.body, '');
    route.origin.last.respond({ body: 'of bob' });
    assert.equal(other.body, 'of bob');
  });
});
