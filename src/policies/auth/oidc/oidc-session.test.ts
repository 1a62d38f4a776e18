import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { grantOf, oidcOptionsOf, sessionOf } from '../../../../test/support/oidc.ts';
import { decodeSession, encodeSession, renewSession, startSession } from './oidc-session.ts';

const NOW = 1_800_000_000_000;
const MINUTE = 60_000;

test('a session is read as it was written', () => {
  const text = fc.option(fc.string());
  fc.assert(
    fc.property(text, text, fc.dictionary(fc.string(), fc.jsonValue()), (sid, token, claims) => {
      // JSON knows no -0, which is nobody's claim.
      const session = sessionOf({ sid, idToken: token, claims: JSON.parse(JSON.stringify(claims)) });
      assert.deepEqual(decodeSession(encodeSession(session)), session);
    }),
  );
  assert.equal(decodeSession('[0,"a"]'), null);
  assert.equal(decodeSession('{}'), null);
});

describe('starting', () => {
  test('lasts as configured, and keeps no token that nobody needs', () => {
    const session = startSession(grantOf({ idToken: 'id' }), oidcOptionsOf({ session: { ttl: '2h' } }), NOW);
    assert.equal(session.endsAt, NOW + 120 * MINUTE);
    assert.equal(session.accessToken, null);
    assert.equal(session.refreshToken, 'refresh-2');
    assert.equal(session.idToken, 'id');
    assert.equal(session.id.length, 22);
  });

  test('refreshes ahead of the end: by a fifth of the lifetime, and a minute at most', () => {
    const at = (accessLifetime: number | null): number | null =>
      startSession(grantOf({ accessLifetime }), oidcOptionsOf(), NOW).refreshAt;
    assert.equal(at(10_000), NOW + 8_000);
    assert.equal(at(60 * MINUTE), NOW + 59 * MINUTE);
    assert.equal(at(0), NOW + 1_000, 'not at every request');
    assert.equal(at(null), null);
    assert.equal(startSession(grantOf({ refreshToken: null }), oidcOptionsOf(), NOW).refreshAt, null);
  });

  test('a forwarded token that nothing renews ends the session with it', () => {
    const options = oidcOptionsOf({ forwardAccessToken: true });
    const session = startSession(grantOf({ refreshToken: null, accessLifetime: 5 * MINUTE }), options, NOW);
    assert.equal(session.accessToken, 'access-2');
    assert.equal(session.endsAt, NOW + 5 * MINUTE);
    assert.equal(startSession(grantOf(), options, NOW).endsAt, NOW + 480 * MINUTE);
  });

  test('claims of the protocol are left out, and of others those that are wanted', () => {
    const claims = {
      sub: 'ada',
      iss: 'i',
      aud: 'a',
      exp: 1,
      nonce: 'n',
      sid: 's',
      name: 'Ada',
      roles: ['a'],
      'x.y': 1,
    };
    const all = startSession(grantOf({ claims }), oidcOptionsOf(), NOW);
    assert.deepEqual(all.claims, { sub: 'ada', iss: 'i', name: 'Ada', roles: ['a'], 'x.y': 1 });
    assert.equal(all.sid, 's');
    const some = startSession(grantOf({ claims }), oidcOptionsOf({ claims: { keep: ['x.y'] } }), NOW);
    assert.deepEqual(some.claims, { sub: 'ada', iss: 'i', roles: ['a'], 'x.y': 1 });
  });
});

test('renewing goes on with what the answer does not say', () => {
  const before = sessionOf({
    refreshToken: 'refresh-1',
    idToken: 'id-1',
    claims: { sub: 'ada', name: 'Ada' },
    scope: 'a',
  });
  const grant = grantOf({ claims: { sub: 'ada', roles: ['owner'] }, refreshToken: null });
  const after = renewSession(before, grant, oidcOptionsOf(), NOW);
  assert.deepEqual(after.claims, { sub: 'ada', name: 'Ada', roles: ['owner'] });
  assert.equal(after.refreshToken, 'refresh-1');
  assert.equal(after.idToken, 'id-1');
  assert.equal(after.scope, 'a');
  assert.equal(after.activeAt, NOW);
  for (const kept of ['id', 'startedAt', 'endsAt', 'sid', 'subject'] as const) assert.equal(after[kept], before[kept]);
});

test('a new ID token speaks in place of the last one: roles that it does not name are gone', () => {
  const before = sessionOf({ claims: { sub: 'ada', roles: ['owner'] }, refreshToken: 'refresh-1', idToken: 'id-1' });
  const grant = grantOf({ claims: { sub: 'ada', name: 'Ada' }, idToken: 'id-2' });
  const after = renewSession(before, grant, oidcOptionsOf(), NOW);
  assert.deepEqual(after.claims, { sub: 'ada', name: 'Ada' });
  assert.equal(after.idToken, 'id-2');
});
