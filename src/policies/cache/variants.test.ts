import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CachedRoute, turns } from '../../../test/support/cached-route.ts';

const minute = { 'cache-control': 'max-age=60' };

function from(one: string, other: string) {
  return {
    headers: [
      ['x-a', one],
      ['x-b', other],
    ],
  } as const;
}

describe('variants', () => {
  it('are found when they vary by more than those before', async () => {
    const route = new CachedRoute();
    await route.fetch({ headers: { ...minute, vary: 'x-a' }, body: 'a1' }, undefined, from('1', '1'));
    assert.equal(route.ask(undefined, from('1', '2')).body, 'a1');
    await route.fetch({ headers: { ...minute, vary: 'x-b' }, body: 'b1' }, undefined, from('2', '1'));
    const found = route.ask(undefined, from('2', '1'));
    assert.deepEqual([found.result, found.body], ['hit', 'b1']);
    assert.equal(route.ask(undefined, from('2', '2')).result, null);
  });

  it('are told apart from when a 304 or a HEAD says so', async () => {
    for (const method of ['GET', 'HEAD']) {
      const route = new CachedRoute();
      const tagged = { ...minute, etag: '"1"' };
      await route.fetch({ headers: tagged, body: 'for 1' }, undefined, from('1', '1'));
      const headers = [...from('1', '1').headers, ['cache-control', 'no-cache']] as const;
      const status = method === 'GET' ? 304 : 200;
      const answer = await route.fetch({ status, headers: { ...tagged, vary: 'x-a' }, body: 'for 1' }, undefined, {
        method,
        headers,
      });
      assert.equal(answer.status, 200);
      const other = route.ask(undefined, from('2', '1'));
      await turns();
      assert.equal(other.body, '', `${method}: another variant is no answer`);
    }
  });
});
