import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ResponseMemory } from '../shared-memory/response-memory.ts';
import { ResponseDesk } from '../supervisor/responses.ts';
import { buildAdmin, type Controls } from './server.ts';

const TOKEN = 'a-token-of-more-than-thirty-two-characters';
const headers = { authorization: `Bearer ${TOKEN}` };

function open(isReady = true) {
  const desk = new ResponseDesk({
    memory: new ResponseMemory(1024 ** 2, [1, 2]),
    sharedPurges: null,
    openLog: () => null,
    problem: () => undefined,
  });
  const controls = { responses: () => (isReady ? desk : null), token: () => TOKEN, hosts: () => [] };
  return buildAdmin(controls as unknown as Controls);
}

describe('stored responses in the admin API', () => {
  it('need the token', async () => {
    const app = open();
    for (const [method, url] of [
      ['GET', '/cache'],
      ['GET', '/cache/entry?of=a'],
      ['GET', '/cache/stats'],
      ['POST', '/cache/purge'],
    ] as const) {
      assert.equal((await app.inject({ method, url })).statusCode, 401, `${method} ${url}`);
    }
  });

  it('are listed, counted and purged', async () => {
    const app = open();
    const listed = (await app.inject({ url: '/cache?limit=5', headers })).json();
    assert.deepEqual([listed.responses, listed.stats.entries], [[], 0]);
    assert.equal((await app.inject({ url: '/cache/stats', headers })).json().entries, 0);
    const purged = await app.inject({ method: 'POST', url: '/cache/purge', headers, payload: { all: true } });
    assert.deepEqual([purged.statusCode, purged.json()], [200, { purged: 0, told: null }]);
  });

  it('are refused with a status that says why', async () => {
    const app = open();
    const wrong = await app.inject({ method: 'POST', url: '/cache/purge', headers, payload: {} });
    assert.deepEqual([wrong.statusCode, wrong.json().code], [422, 'cache_invalid']);
    const unknown = await app.inject({ url: '/cache/entry?of=shop.example/none', headers });
    assert.deepEqual([unknown.statusCode, unknown.json().code], [404, 'cache_unknown']);
    const starting = await open(false).inject({ url: '/cache', headers });
    assert.equal(starting.statusCode, 503);
  });
});
