import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CachedRoute, type ClientAnswer, turns } from '../../../test/support/cached-route.ts';

const headers = { 'cache-control': 'max-age=60' };

/** Somebody else's fetch is given up in the middle; the service then answers the request for the rest with this. */
async function resumed(body: string, chunked: boolean): Promise<ClientAnswer> {
  const route = new CachedRoute();
  route.ask();
  route.origin.last.head({ headers, body: 'hello world' });
  route.origin.last.data('hello ');
  const waiting = route.ask();
  await turns();
  assert.equal(waiting.body, 'hello ');
  for (const fill of route.store.flights.values()) fill.abandon();
  await turns();
  assert.equal(route.origin.asked.length, 2);
  route.origin.last.head({ headers, body, chunked });
  route.origin.last.data(body);
  route.origin.last.end();
  return waiting;
}

describe('the rest of a response', () => {
  it('is what it was said to be', async () => {
    for (const chunked of [false, true]) {
      const answer = await resumed('hello world', chunked);
      assert.deepEqual([answer.body, answer.hasEnded], ['hello world', true]);
    }
  });

  it('never goes past the length that the client was told, nor stays below it', async () => {
    for (const chunked of [false, true]) {
      for (const body of ['hello world, and HTTP/1.1 200 OK', 'hello wor']) {
        const answer = await resumed(body, chunked);
        assert.ok(answer.body.length <= 11, `${body}, ${chunked}`);
        assert.equal(answer.error?.code, 'upstream_reset', `${body}, ${chunked}`);
      }
    }
  });
});
