import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FakeClock } from '../../../../test/support/fake-clock.ts';
import { TestFeed } from '../../../../test/support/feeds.ts';
import { FlakyRecords } from '../../../../test/support/flaky-records.ts';
import { down, grantOf, metadataOf, oidcOptionsOf, ScriptedClient, sessionOf } from '../../../../test/support/oidc.ts';
import { Outage } from '../outage.ts';
import { Discovery } from './oidc-discovery.ts';
import { METADATA, OVER, renewalKey, sealFor } from './oidc-feeds.ts';
import { Logouts } from './oidc-logouts.ts';
import { ProviderFailure, type ProviderMetadata } from './oidc-provider.ts';
import { Renewals } from './oidc-renewals.ts';
import { decodeSession, encodeSession, type Session } from './oidc-session.ts';

/** Turns in which everything that waits for nothing else is done. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
}

function scene() {
  const clock = new FakeClock();
  const lines: string[] = [];
  const outage = new Outage((line) => lines.push(line));
  return { clock, lines, outage, client: new ScriptedClient() };
}

describe('discovery', () => {
  test('is published once it is there, and again only when it is different', async () => {
    const { clock, outage, client, lines } = scene();
    const feed = new TestFeed<ProviderMetadata>();
    const discovery = new Discovery(client, feed, outage, clock);
    await discovery.settled;
    assert.equal(feed.get(METADATA)?.token_endpoint, 'https://login.example/token');
    clock.advance(3_600_000);
    await settle();
    assert.equal(client.discoveries, 2);
    assert.equal(feed.version, 1);
    client.metadata = () => metadataOf('https://moved.example');
    clock.advance(3_600_000);
    await settle();
    assert.equal(feed.version, 2);
    assert.deepEqual(lines, []);
    discovery.close();
    assert.equal(clock.pending, 0);
  });

  test('is tried again, later and later; what was found stays', async () => {
    const { clock, outage, client, lines } = scene();
    client.metadata = down;
    const feed = new TestFeed<ProviderMetadata>();
    const discovery = new Discovery(client, feed, outage, clock);
    await discovery.settled;
    assert.deepEqual(lines, ['the provider cannot be found: connect ECONNREFUSED']);
    assert.equal(discovery.report().failure, 'connect ECONNREFUSED');
    for (const pause of [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]) {
      assert.equal(clock.next - clock.now(), pause);
      clock.advance(pause);
      await settle();
    }
    client.metadata = () => metadataOf('https://login.example');
    clock.advance(60_000);
    await settle();
    assert.equal(feed.version, 1);
    client.metadata = down;
    clock.advance(3_600_000);
    await settle();
    assert.notEqual(await discovery.find(), null);
    assert.notEqual(discovery.report().failure, null);
    discovery.close();
  });

  test('logins that wait share one attempt, and are no stream of them', async () => {
    const { clock, outage, client } = scene();
    client.metadata = down;
    const discovery = new Discovery(client, new TestFeed(), outage, clock);
    const found = await Promise.all([discovery.find(), discovery.find(), discovery.settled]);
    assert.deepEqual(found.slice(0, 2), [null, null]);
    await discovery.find();
    assert.equal(client.discoveries, 1);
    discovery.close();
  });
});

describe('renewals', () => {
  const options = oidcOptionsOf();
  const seal = sealFor('renewal', 'web', options);

  function renewalsOf() {
    const { clock, outage, client, lines } = scene();
    const feed = new TestFeed<string>();
    const discovery = { find: async () => metadataOf('https://login.example') };
    const renewals = new Renewals({ client, discovery, seal, outage, clock }, options, feed);
    const ask = (session: Session): Promise<void> => renewals.renew(seal.seal(encodeSession(session)));
    return { clock, client, lines, feed, renewals, ask };
  }

  const session = sessionOf({ refreshToken: 'refresh-1', refreshAt: 0 });

  test('a refresh token is used once, whoever asks however often', async () => {
    const { client, feed, ask, clock } = renewalsOf();
    await Promise.all([ask(session), ask(session), ask({ ...session, activeAt: 1 })]);
    await ask(session);
    assert.deepEqual(client.refreshed, ['refresh-1']);
    const renewed = decodeSession(seal.open(feed.get(renewalKey(session)) ?? '')?.text ?? '');
    assert.equal(renewed?.refreshToken, 'refresh-2');
    assert.equal(renewed?.id, session.id);
    clock.advance(240_000);
    assert.deepEqual([...feed.entries()], []);
    assert.equal(clock.pending, 0);
  });

  test('sessions are apart', async () => {
    const { client, ask } = renewalsOf();
    await Promise.all([ask(session), ask({ ...session, id: 'session-2', refreshToken: 'refresh-9' })]);
    assert.deepEqual(client.refreshed.sort(), ['refresh-1', 'refresh-9']);
  });

  test('a refusal is published, an outage is not', async () => {
    const { client, feed, ask, lines } = renewalsOf();
    client.answer = down;
    await ask(session);
    assert.equal(feed.version, 0);
    assert.deepEqual(lines, ['sessions cannot be refreshed: connect ECONNREFUSED']);
    client.answer = () => new ProviderFailure('refused', 'takes the grant no more');
    await ask(session);
    assert.equal(feed.get(renewalKey(session)), OVER);
    assert.equal(client.refreshed.length, 2);
    assert.equal(lines.length, 1);
  });

  test('hints that were not sealed for it are nothing', async () => {
    const { client, renewals } = renewalsOf();
    const cookie = sealFor('session', 'web', options).seal(encodeSession(session));
    for (const hint of ['', 'made up', cookie]) await renewals.renew(hint);
    assert.deepEqual(client.refreshed, []);
  });

  test('what is kept is bounded', async () => {
    const { feed, ask, client } = renewalsOf();
    client.answer = () => grantOf();
    for (let i = 0; i < 10_003; i += 500) {
      await Promise.all(Array.from({ length: 500 }, (_, j) => ask({ ...session, id: `session-${i + j}` })));
    }
    assert.equal([...feed.entries()].length, 10_000);
  });
});

describe('logouts', () => {
  const hint = (key: string, at = 1): string => JSON.stringify({ key, at });
  const options = { issuer: 'https://login.example', clientId: 'shop-web', ttl: 3_600_000 };

  function logoutsOf(records = new FlakyRecords()) {
    const { clock, outage, lines } = scene();
    // Records expire by the time of the system.
    clock.time = Date.now();
    const feed = new TestFeed<number>();
    return { clock, lines, records, feed, logouts: new Logouts(options, records, feed, outage, clock) };
  }

  test('are heard of on other machines, and after a restart', async () => {
    const one = logoutsOf();
    await one.logouts.settled;
    assert.equal(one.feed.version, 1);
    const other = logoutsOf(one.records);
    await other.logouts.settled;
    await one.logouts.add(hint('session 7'));
    assert.equal(one.feed.get('session 7'), 1);
    await settle();
    assert.equal(other.feed.get('session 7'), 1);
    const later = logoutsOf(one.records);
    await later.logouts.settled;
    assert.deepEqual([...later.feed.entries()], [['session 7', 1]]);
    assert.equal(later.logouts.report().known, 1);
    for (const { logouts } of [one, other, later]) await logouts.close();
  });

  test('of other entries are not mixed in', async () => {
    const { records, feed, logouts } = logoutsOf();
    await records.put(
      'oidc-logouts',
      'x',
      { ...options, issuer: 'https://other.example', key: 'sub ada', at: 1 },
      null,
    );
    await records.put('oidc-logouts', 'y', { nonsense: true }, null);
    await logouts.settled;
    await settle();
    assert.deepEqual([...feed.entries()], []);
    await logouts.close();
  });

  test('hold here while the store is out of reach, and get there when it is back', async () => {
    const { records, feed, logouts, clock, lines } = logoutsOf();
    await logouts.settled;
    records.failing.add('put');
    await logouts.add(hint('sid 7'));
    assert.equal(feed.get('sid 7'), 1);
    assert.equal(logouts.report().unsaved, 1);
    assert.deepEqual(lines, ['ended sessions cannot be shared: the store is out of reach']);
    records.failing.clear();
    clock.advance(500);
    await settle();
    assert.equal((await records.list('oidc-logouts')).size, 1);
    assert.equal(logouts.report().unsaved, 0);
    assert.equal(feed.get('sid 7'), 1);
    await logouts.close();
  });

  test('one that comes late does not take back a later one, here or elsewhere', async () => {
    const one = logoutsOf();
    await one.logouts.settled;
    await one.logouts.add(hint('sub ada', 20));
    await one.logouts.add(hint('sub ada', 10));
    assert.equal(one.feed.get('sub ada'), 20);
    const other = logoutsOf(one.records);
    await other.logouts.settled;
    assert.equal(other.feed.get('sub ada'), 20);
    await other.logouts.add(hint('sub ada', 30));
    await settle();
    assert.equal(one.feed.get('sub ada'), 30);
    for (const { logouts } of [one, other]) await logouts.close();
  });

  test('of several that wait for the store, the latest gets there', async () => {
    const { records, feed, logouts, clock } = logoutsOf();
    await logouts.settled;
    records.failing.add('put');
    for (const at of [10, 30, 20]) await logouts.add(hint('sub ada', at));
    assert.equal(feed.get('sub ada'), 30);
    records.failing.clear();
    clock.advance(2000);
    await settle();
    assert.deepEqual(
      [...(await records.list('oidc-logouts')).values()].map(({ at }) => at),
      [30],
    );
    assert.equal(logouts.report().unsaved, 0);
    await logouts.close();
  });

  test('nothing is published before they were read once', async () => {
    const records = new FlakyRecords();
    records.failing.add('list');
    const { feed, logouts, clock } = logoutsOf(records);
    await logouts.settled;
    await logouts.add(hint('sub ada'));
    assert.equal(feed.version, 0);
    records.failing.clear();
    clock.advance(500);
    await settle();
    assert.deepEqual([...feed.entries()], [['sub ada', 1]]);
    await logouts.close();
    assert.equal(clock.pending, 0);
  });
});
