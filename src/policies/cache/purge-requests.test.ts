import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CachedRoute, turns } from '../../../test/support/cached-route.ts';
import type { ResponsePurge } from '../../plan/response-store.ts';
import { noSharedResponses } from '../../plan/shared-responses.ts';

const cms = { identity: { id: 'cms', consumer: 'cms' }, method: 'PURGE' };
const options = { ttl: '60s', purge: { when: "identity.consumer == 'cms'" } };

describe('PURGE', () => {
  it('removes what is stored of a URL, and every variant', async () => {
    const announced: ResponsePurge[] = [];
    const shared = { ...noSharedResponses, announce: (purge: ResponsePurge) => void announced.push(purge) };
    const route = new CachedRoute(options, { shared });
    await route.fetch({ headers: { vary: 'x-a' } }, '/things/1', { headers: [['x-a', '1']] });
    await route.fetch({ headers: { vary: 'x-a' } }, '/things/1', { headers: [['x-a', '2']] });
    await route.fetch({}, '/things/2');
    const answer = route.ask('/things/1', cms);
    await turns();
    assert.deepEqual([answer.status, answer.body], [200, '{"purged":1}\n']);
    for (const x of ['1', '2']) assert.equal(route.ask('/things/1', { headers: [['x-a', x]] }).result, null);
    assert.equal(route.ask('/things/2').result, 'hit');
    assert.deepEqual(announced, [{ by: 'key', value: 'http://shop.example/things/1\nweb', soft: false }]);
    // Nothing of before comes back.
    await route.fetch({ headers: { vary: 'x-a' } }, '/things/1', { headers: [['x-a', '3']] });
    assert.equal(route.ask('/things/1', { headers: [['x-a', '2']] }).result, null);
  });

  it('removes by tag, and below a path', async () => {
    const route = new CachedRoute({ ...options, tags: { hide: true, add: 'all-things' } });
    const tagged = await route.fetch({ headers: { 'cache-tag': 'a, b', 'surrogate-key': 'c d' } }, '/things/1');
    assert.deepEqual([tagged.field('cache-tag'), tagged.field('surrogate-key')], [null, null]);
    assert.equal(route.ask('/things/1').field('cache-tag'), null);
    await route.fetch({ headers: { 'cache-tag': 'b' } }, '/things/2');
    await route.fetch({}, '/other');
    route.ask('/', { ...cms, headers: [['surrogate-key', 'd']] });
    await turns();
    assert.deepEqual([route.ask('/things/1').result, route.ask('/things/2').result], [null, 'hit']);
    route.ask('/things/*', cms);
    await turns();
    assert.deepEqual([route.ask('/things/2').result, route.ask('/other').result], [null, 'hit']);
    route.ask('/', { ...cms, headers: [['cache-tag', 'all-things']] });
    await turns();
    assert.equal(route.ask('/other').result, null);
  });

  it('marks what it purges softly', async () => {
    const route = new CachedRoute({ ...options, staleIfError: '1h' });
    await route.fetch({ headers: { etag: '"1"', vary: 'x-a' } });
    route.ask('/things/1', { ...cms, headers: [['soft-purge', '1']] });
    await turns();
    const again = route.ask();
    assert.equal(route.origin.last.field('if-none-match'), '"1"');
    route.origin.last.respond({ status: 304 });
    await turns();
    assert.equal(again.result, 'revalidated');
    assert.equal(route.ask().result, 'hit');
    route.ask('/things/1', { ...cms, headers: [['soft-purge', '1']] });
    await turns();
    route.ask();
    route.origin.last.fail();
    assert.equal(route.ask().result, 'stale');
  });

  it('is refused to others, and is a method like others by default', async () => {
    const route = new CachedRoute(options);
    await route.fetch({});
    const refused = route.ask('/things/1', { method: 'PURGE', identity: { id: 'x', consumer: 'other' } });
    assert.equal(refused.error?.code, 'not_authorized');
    assert.equal(route.ask('/things/1', { method: 'PURGE' }).error?.code, 'not_authorized');
    assert.equal(route.ask().result, 'hit');
    const usual = new CachedRoute({ ttl: '60s' });
    await usual.fetch({ status: 405 }, '/things/1', { method: 'PURGE' });
    assert.equal(usual.origin.last.call.method, 'PURGE');
  });

  it('reaches what is being fetched', async () => {
    const route = new CachedRoute(options);
    const client = route.ask();
    route.origin.last.head({ body: 'old' });
    route.ask('/things/1', cms);
    await turns();
    route.origin.last.data('old');
    route.origin.last.end();
    await turns();
    assert.equal(client.body, 'old');
    assert.equal(route.ask().result, null);
  });
});
