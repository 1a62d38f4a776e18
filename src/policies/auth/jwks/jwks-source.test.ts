import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { until } from '../../../../test/harness.ts';
import { FakeClock } from '../../../../test/support/fake-clock.ts';
import { failures, IdentityProvider, json } from '../../../../test/support/identity-provider.ts';
import { MINUTE, SECOND, SupervisedKeys, superviseKeys } from '../../../../test/support/supervised-keys.ts';

suite('refresh', () => {
  test('comes ahead of the end, with one request, and publishes only what is new', async () => {
    await using provider = await IdentityProvider.start();
    await using keys = await superviseKeys(provider);
    const { version } = keys.feed;
    await keys.pass(8 * MINUTE);
    assert.equal(provider.asked, 1);
    await keys.pass(MINUTE);
    assert.equal(provider.asked, 2);
    assert.equal(keys.feed.version, version);
    await provider.rotate('second', 1);
    await keys.pass(9 * MINUTE);
    assert.equal(provider.asked, 3);
    assert.equal(keys.feed.version, version + 1);
    assert.deepEqual(keys.kids, ['first', 'second']);
  });

  test('the order of keys is no news', async () => {
    await using provider = await IdentityProvider.start();
    await provider.rotate('second', 1);
    let turns = 0;
    provider.failure = (_request, response) => {
      json(response, { keys: turns++ % 2 === 0 ? provider.keys : provider.keys.toReversed() });
    };
    await using keys = await superviseKeys(provider, { jwksUrl: provider.jwksUrl });
    const { version } = keys.feed;
    await keys.pass(9 * MINUTE);
    assert.equal(turns, 2);
    assert.equal(keys.feed.version, version);
  });

  for (const [control, chance, wait] of [
    ['max-age=600', 0, 450 * SECOND],
    ['max-age=600', 1, 540 * SECOND],
    ['max-age=1', 0, 45 * SECOND],
    ['no-store', 0, 45 * SECOND],
    ['max-age=999999999', 0, 45 * MINUTE],
  ] as const) {
    test(`by ${control} and chance ${chance} after ${wait} ms`, async () => {
      await using provider = await IdentityProvider.start();
      provider.cacheControl = control;
      const clock = new FakeClock();
      clock.chance = chance;
      await using keys = await superviseKeys(provider, { clock });
      assert.equal(keys.wait, wait);
    });
  }

  test('the configuration overrules the issuer', async () => {
    await using provider = await IdentityProvider.start();
    provider.cacheControl = 'max-age=3600';
    await using keys = await superviseKeys(provider, { fetch: { refresh: 20 * SECOND } });
    assert.equal(keys.wait, 16.5 * SECOND);
  });

  test('a key that the issuer has withdrawn is good no longer', async () => {
    await using provider = await IdentityProvider.start();
    await provider.rotate('second', 1);
    await using keys = await superviseKeys(provider);
    assert.deepEqual(keys.kids, ['first', 'second']);
    await provider.rotate('third', 1);
    await keys.pass(9 * MINUTE);
    assert.deepEqual(keys.kids, ['second', 'third']);
  });

  test('says which keys are of no use', async () => {
    await using provider = await IdentityProvider.start();
    provider.failure = (_request, response) => {
      json(response, { keys: [...provider.keys, { ...provider.keys[0], kid: 'secret', use: 'enc' }] });
    };
    await using keys = await superviseKeys(provider, { jwksUrl: provider.jwksUrl });
    assert.deepEqual(keys.report.ignored, [{ kid: 'secret', reason: 'not for signatures' }]);
  });
});

suite('a failing issuer', () => {
  for (const [what, fail] of Object.entries({
    ...failures,
    empty: (_request: unknown, response: Parameters<typeof json>[0]) => json(response, { keys: [] }),
    redirecting: (_request: unknown, response: Parameters<typeof json>[0]) =>
      response.writeHead(302, { location: 'ftp://127.0.0.1/jwks' }).end(),
  })) {
    test(`that is ${what} does not take away its keys, and is logged once`, async () => {
      await using provider = await IdentityProvider.start();
      await using keys = await superviseKeys(provider);
      provider.failure = fail;
      keys.clock.advance(keys.wait);
      await until('it was asked', () => provider.asked === 2);
      if (what === 'slow') await keys.pass(5 * SECOND);
      else await keys.pass(5 * MINUTE);
      const { obtained, failure } = keys.state();
      assert.deepEqual(keys.kids, ['first']);
      assert.ok(obtained && failure !== null);
      assert.equal(keys.problems.length, 1);
      assert.match(keys.problems[0] ?? '', /cannot be fetched \(http.* are used until 2026-01-02T/);
      assert.equal(keys.report.failingSince !== null, true);
      provider.failure = null;
      await keys.pass(31 * SECOND);
      assert.deepEqual(keys.state().failure, null);
      assert.equal(keys.report.failingSince, null);
      assert.equal(keys.problems.length, 2);
      assert.match(keys.problems[1] ?? '', /can be fetched again$/);
    });
  }

  test('that is gone is asked less and less often', async () => {
    await using provider = await IdentityProvider.start();
    const clock = new FakeClock();
    clock.chance = 1;
    await using keys = await superviseKeys(provider, { clock });
    await provider.leave();
    const waits: number[] = [];
    await keys.pass(9 * MINUTE);
    for (let i = 0; i < 8; i++) {
      waits.push(keys.wait);
      await keys.pass(keys.wait);
    }
    assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    clock.chance = 0;
    await keys.pass(keys.wait);
    assert.equal(keys.wait, 15 * SECOND);
  });

  test('is left alone for as long as it asks', async () => {
    await using provider = await IdentityProvider.start();
    await using keys = await superviseKeys(provider);
    provider.failure = (_request, response) => response.writeHead(429, { 'retry-after': '60' }).end();
    await keys.pass(9 * MINUTE);
    const [at, { asked }] = [keys.report.nextRefresh, provider];
    assert.equal(at, '2026-01-01T00:09:15.000Z');
    await keys.pass(14 * SECOND);
    await keys.ask('unknown');
    assert.equal(provider.asked, asked);
  });

  test('loses its keys after the configured time', async () => {
    await using provider = await IdentityProvider.start();
    await using keys = await superviseKeys(provider, { fetch: { keepStale: 5 * MINUTE } });
    await provider.leave();
    await keys.pass(15 * MINUTE - SECOND);
    assert.equal(keys.state().obtained, true);
    await keys.pass(2 * SECOND);
    assert.deepEqual({ ...keys.state(), failure: null }, { keys: [], obtained: false, failure: null });
    assert.equal(keys.report.obtainedAt, null);
    assert.equal(keys.problems.length, 2);
    assert.match(keys.problems[1] ?? '', /too old/);
    await provider.comeBack();
    await keys.pass(30 * SECOND);
    assert.deepEqual(keys.kids, ['first']);
    assert.equal(keys.state().obtained, true);
  });
});

suite('a start without the issuer', () => {
  test('goes on trying, and publishes as soon as there are keys', async () => {
    await using provider = await IdentityProvider.start();
    await provider.leave();
    await using keys = await superviseKeys(provider);
    assert.equal(keys.state().obtained, false);
    assert.match(keys.problems[0] ?? '', /503/);
    assert.ok(keys.wait <= 500);
    await keys.pass(500);
    await provider.comeBack();
    await keys.pass(SECOND);
    assert.deepEqual(keys.kids, ['first']);
    assert.equal(keys.problems.length, 2);
  });

  test('who asks meanwhile waits for the request under way, and causes none', async () => {
    await using provider = await IdentityProvider.start();
    await using keys = new SupervisedKeys({ issuer: [provider.issuer] });
    await keys.ask('first');
    assert.deepEqual(keys.kids, ['first']);
    assert.equal(provider.asked, 1);
  });

  test('nor when the issuer fails', async () => {
    await using provider = await IdentityProvider.start();
    provider.failure = failures.error;
    await using keys = await superviseKeys(provider);
    for (let i = 0; i < 3; i++) await keys.ask(`key ${i}`);
    assert.equal(provider.requests.length, 1);
  });
});
