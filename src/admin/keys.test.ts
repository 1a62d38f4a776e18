import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FlakyRecords } from '../../test/support/flaky-records.ts';
import { KeyDirectory } from '../supervisor/key-directory.ts';
import { KeyDesk } from '../supervisor/keys.ts';
import { buildAdmin, type Controls } from './server.ts';

const TOKEN = 'a-token-of-more-than-thirty-two-characters';
const bearer = { authorization: `Bearer ${TOKEN}` };

function open(overrides: Partial<Controls> = {}) {
  const records = new FlakyRecords();
  const directory = () => new KeyDirectory(['partner'], ['acme'], ['gold']);
  const desk = new KeyDesk({ records, stateDirectory: null, directory });
  const controls = { keys: () => desk, token: () => TOKEN, hosts: () => [], ...overrides } as Controls;
  const app = buildAdmin(controls);
  const post = (url: string, payload?: object) =>
    app.inject({ method: 'POST', url, headers: bearer, ...(payload && { payload }) });
  const list = async () => (await app.inject({ url: '/keys', headers: bearer })).json().keys;
  return { app, records, post, list };
}

describe('keys in the admin API', () => {
  it('need the token', async () => {
    const { app, records } = open();
    for (const [method, url] of [
      ['GET', '/keys'],
      ['HEAD', '/keys'],
      ['POST', '/keys'],
      ['POST', '/keys/import'],
      ['POST', '/keys/x/rotate'],
      ['POST', '/keys/x/revoke'],
      ['POST', '/keys/x/disable'],
      ['POST', '/keys/x/enable'],
    ] as const) {
      const response = await app.inject({ method, url });
      assert.equal(response.statusCode, 401, `${method} ${url}`);
    }
    assert.deepEqual(records.lists, []);
  });

  it('are made, rotated, withdrawn and imported', async () => {
    const { app, post, list } = open();
    const created = await post('/keys', { consumer: 'acme' });
    assert.equal(created.statusCode, 201);
    assert.equal(created.headers['cache-control'], 'no-store');
    const { key, id } = created.json();
    const rotated = await post(`/keys/${id}/rotate`, { grace: '1h' });
    assert.equal(rotated.statusCode, 201);
    assert.equal(rotated.json().replaces.id, id);
    for (const [change, state] of [
      ['disable', 'disabled'],
      ['enable', 'active'],
      ['revoke', 'revoked'],
    ]) {
      const changed = await post(`/keys/${id}/${change}`);
      assert.deepEqual([changed.statusCode, changed.json().state], [200, state]);
    }
    const imported = await post('/keys/import', { keys: [{ key: 'a-key-of-before-this', consumer: 'acme' }] });
    assert.deepEqual(imported.json(), { imported: 1, skipped: 0 });
    const text = JSON.stringify(await list());
    assert.equal((await list()).length, 3);
    for (const secret of [key, rotated.json().key, 'a-key-of-before-this']) assert.ok(!text.includes(secret));
    await app.close();
  });

  it('are refused with a status that says why', async () => {
    const { post, records, app } = open();
    assert.deepEqual(
      [
        (await post('/keys', {})).statusCode,
        (await post('/keys')).statusCode,
        (await post('/keys/no/revoke')).statusCode,
      ],
      [422, 422, 404],
    );
    const { id } = (await post('/keys', { consumer: 'acme' })).json();
    await post(`/keys/${id}/revoke`);
    const conflict = await post(`/keys/${id}/enable`);
    assert.equal(conflict.statusCode, 409);
    assert.match(String(conflict.headers['content-type']), /^application\/problem\+json/);
    assert.equal(conflict.json().code, 'key_conflict');
    const wrong = await post('/keys/import', { keys: [{ line: 9, key: 'hunter2', consumer: 'acme' }] });
    assert.equal(wrong.json().problems[0].line, 9);
    assert.ok(!wrong.body.includes('hunter2'));
    records.failing.add('list');
    const unavailable = await app.inject({ url: '/keys', headers: bearer });
    assert.deepEqual([unavailable.statusCode, unavailable.json().code], [503, 'store_unavailable']);
    assert.equal((await open({ keys: () => null }).post('/keys', { consumer: 'acme' })).statusCode, 503);
  });
});
