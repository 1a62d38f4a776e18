import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, checkText, planOf, testPorts } from '../../test/support/compiled.ts';
import { TestFeeds } from '../../test/support/feeds.ts';
import type { Feed } from '../plan/feed.ts';

const hash = '$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW';
const text = (identityToken: string): string => `
auth: { staff: { basic: { users: { alice: "${hash}" } } } }
routes:
  /keys: { respond: jwks, auth: public }
  /one: { to: http://127.0.0.1:1, auth: staff, identityToken: ${identityToken} }
  /two: { to: http://127.0.0.1:1, auth: staff, identityToken: { audience: two } }
`;

test('all keys of a plan are published, each once, as they are at the moment', async () => {
  const feeds = new TestFeeds();
  const owners = new Set<string>();
  const find = <V>(owner: string, name: string): Feed<V> => {
    if (name === 'public-keys') owners.add(owner);
    return feeds.find<V>(`${owner} ${name}`);
  };
  const plan = await planOf(await checkText(text('{ algorithm: EdDSA }')), testPorts({ feeds: { find } }));
  const get = () => ask(plan, 'GET', 'http://h/keys');
  assert.equal(get().status, 503, 'an empty set would be believed');
  assert.equal(owners.size, 2);
  const [one = '', two = ''] = [...owners];
  const key = (kid: string) => ({ kid, kty: 'EC' });
  feeds.find(`${one} public-keys`).replace([['a', key('a')]]);
  feeds.find(`${two} public-keys`).replace([
    ['a', key('a')],
    ['b', key('b')],
  ]);
  const { status, headers, body } = get();
  assert.equal(status, 200);
  assert.equal(headers['content-type'], 'application/jwk-set+json');
  assert.equal(headers['cache-control'], 'public, max-age=300');
  assert.deepEqual(JSON.parse(body), { keys: [key('a'), key('b')] });
  feeds.find(`${two} public-keys`).replace([['c', key('c')]]);
  assert.deepEqual(JSON.parse(get().body), { keys: [key('a'), key('c')] });
});

test('keys that nothing signs with are told', async () => {
  const { problems } = await checkText('routes: { /keys: { respond: jwks } }');
  assert.deepEqual(
    problems.map(({ severity, code }) => `${severity} ${code}`),
    ['warning no-signing-keys'],
  );
});

test('a route without an identity has nothing to sign', async () => {
  const { problems } = await checkText(`routes: { /: { to: "http://127.0.0.1:1", identityToken: true } }`);
  assert.deepEqual(
    problems.map(({ severity, code }) => `${severity} ${code}`),
    ['error missing-fact'],
  );
});
