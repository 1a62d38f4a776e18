import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { until } from '../../../../test/harness.ts';
import { failures, IdentityProvider, json } from '../../../../test/support/identity-provider.ts';
import { HOUR, MINUTE, SECOND, SupervisedKeys, superviseKeys } from '../../../../test/support/supervised-keys.ts';
import { keysOf } from './jwks-feed.ts';

suite('discovery', () => {
  test('finds the keys of an issuer, and publishes them', async () => {
    await using provider = await IdentityProvider.start();
    await using keys = new SupervisedKeys({ issuer: [provider.issuer] });
    assert.deepEqual(keys.state(), { keys: [], obtained: false, failure: null });
    await keys.settled;
    const [{ use: _, ...published } = {}] = provider.keys;
    assert.deepEqual(keys.state(provider.issuer), { keys: [published], obtained: true, failure: null });
    assert.deepEqual(provider.requests, ['/.well-known/openid-configuration', '/jwks']);
    assert.deepEqual(keys.problems, []);
    assert.deepEqual(keys.report, {
      issuer: provider.issuer,
      url: provider.jwksUrl,
      keys: ['first'],
      ignored: [],
      obtained: true,
      obtainedAt: '2026-01-01T00:00:00.000Z',
      nextRefresh: '2026-01-01T00:08:15.000Z',
      failure: null,
      failingSince: null,
    });
  });

  test('falls back to RFC 8414, whose place is before the path', async () => {
    await using provider = await IdentityProvider.start();
    const issuer = `${provider.issuer}/tenant/7`;
    provider.failure = ({ url }, response) => {
      if (url === '/jwks') json(response, { keys: provider.keys });
      else if (url?.startsWith('/.well-known/oauth')) json(response, { issuer, jwks_uri: provider.jwksUrl });
      else response.writeHead(404).end();
    };
    await using keys = await superviseKeys(provider, { issuer: [issuer] });
    assert.deepEqual(keys.kids, ['first']);
    assert.deepEqual(provider.requests, [
      '/tenant/7/.well-known/openid-configuration',
      '/.well-known/oauth-authorization-server/tenant/7',
      '/jwks',
    ]);
  });

  test('does not fall back when the first place is in trouble', async () => {
    await using provider = await IdentityProvider.start();
    provider.failure = failures.error;
    await using keys = await superviseKeys(provider);
    assert.deepEqual(provider.requests, ['/.well-known/openid-configuration']);
    assert.match(keys.state().failure ?? '', /answers 500/);
  });

  const refused: Record<string, [metadata: Record<string, unknown>, reason: RegExp]> = {
    'another issuer': [{ issuer: 'https://evil.example' }, /says that its issuer is "https:\/\/evil\.example"/],
    'no issuer': [{ issuer: undefined }, /issuer is null/],
    'no place of keys': [{ jwks_uri: undefined }, /names no keys/],
    'a file as that place': [{ jwks_uri: 'file:///etc/passwd' }, /not safe/],
  };
  for (const [what, [metadata, reason]] of Object.entries(refused)) {
    test(`refuses metadata with ${what}`, async () => {
      await using provider = await IdentityProvider.start();
      provider.metadata = metadata;
      await using keys = await superviseKeys(provider);
      assert.equal(keys.state().obtained, false);
      assert.match(keys.state().failure ?? '', reason);
      assert.equal(provider.asked, 0);
    });
  }

  test('a final slash makes another issuer', async () => {
    await using provider = await IdentityProvider.start();
    await using keys = await superviseKeys(provider, { issuer: [`${provider.issuer}/`] });
    assert.match(keys.state().failure ?? '', /and not "http:.*\/"/);
  });

  test('is not needed where the place of keys is known', async () => {
    await using provider = await IdentityProvider.start();
    await using keys = await superviseKeys(provider, {
      issuer: ['https://elsewhere.example'],
      jwksUrl: provider.jwksUrl,
    });
    assert.deepEqual(provider.requests, ['/jwks']);
    assert.deepEqual(keys.kids, ['first']);
    assert.equal(keys.report.issuer, 'https://elsewhere.example');
  });

  test('happens again when the keys are gone from their place', async () => {
    await using provider = await IdentityProvider.start();
    await using keys = await superviseKeys(provider);
    provider.metadata = { jwks_uri: `${provider.issuer}/jwks?moved` };
    provider.failure = ({ url }, response) => {
      if (url === '/jwks?moved') json(response, { keys: provider.keys });
      else if (url === '/jwks') response.writeHead(410).end();
      else json(response, { issuer: provider.issuer, ...provider.metadata });
    };
    await keys.pass(10 * MINUTE);
    await keys.pass(SECOND);
    assert.equal(keys.state().failure, null);
    assert.equal(provider.requests.at(-1), '/jwks?moved');
  });

  test('that fails later does not matter while the keys are where they were', async () => {
    await using provider = await IdentityProvider.start();
    await using keys = await superviseKeys(provider, { fetch: { refresh: 10 * HOUR } });
    provider.metadata = { issuer: 'https://evil.example' };
    await keys.pass(25 * HOUR);
    assert.equal(provider.asked, 4);
    assert.equal(provider.requests.length, 6);
    assert.deepEqual(keys.problems, []);
    assert.equal(keys.state().obtained, true);
  });
});

suite('several issuers', () => {
  test('have keys of their own, and fail on their own', async () => {
    await using one = await IdentityProvider.start();
    await using other = await IdentityProvider.start();
    await other.rotate('second');
    one.failure = failures.error;
    await using keys = new SupervisedKeys({ issuer: [one.issuer, other.issuer] });
    await keys.settled;
    assert.equal(keys.state(one.issuer).obtained, false);
    assert.deepEqual(
      keys.state(other.issuer).keys.map(({ kid }) => kid),
      ['second'],
    );
    await other.rotate('third');
    await keys.ask('third', other.issuer);
    assert.deepEqual(
      keys.state(other.issuer).keys.map(({ kid }) => kid),
      ['third'],
    );
    assert.equal(keysOf(keys.feed, 'https://unknown.example'), undefined);
    assert.equal(keys.reports.length, 2);
  });
});

suite('an unknown key', () => {
  test('is looked for at once, by one request for all who ask', async () => {
    await using provider = await IdentityProvider.start();
    await using keys = await superviseKeys(provider);
    await provider.rotate('second', 1);
    await Promise.all(Array.from({ length: 50 }, () => keys.ask('second')));
    assert.deepEqual(keys.kids, ['first', 'second']);
    assert.equal(provider.asked, 2);
    await keys.ask('second');
    assert.equal(provider.asked, 2, 'it is known by now');
  });

  test('a flood of made-up ones causes one request, and a pause', async () => {
    await using provider = await IdentityProvider.start();
    await using keys = await superviseKeys(provider);
    await Promise.all(Array.from({ length: 200 }, (_, i) => keys.ask(`made up ${i}`)));
    for (let i = 0; i < 20; i++) await keys.ask(`made up again ${i}`);
    assert.equal(provider.asked, 2);
    keys.clock.advance(5 * SECOND);
    await keys.ask('made up');
    assert.equal(provider.asked, 3);
  });

  test('rotations one after the other are all found, since only vain looks cause a pause', async () => {
    await using provider = await IdentityProvider.start();
    await using keys = await superviseKeys(provider);
    for (const kid of ['second', 'third', 'fourth']) {
      await provider.rotate(kid, 1);
      await keys.ask(kid);
      assert.ok(keys.kids.includes(kid));
    }
  });

  test('that appears while a request is under way is found after it', async () => {
    await using provider = await IdentityProvider.start();
    await using keys = await superviseKeys(provider);
    const before = provider.keys;
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    provider.failure = async (_request, response) => {
      provider.failure = null;
      await held;
      json(response, { keys: before });
    };
    keys.clock.advance(keys.wait);
    await until('the refresh is under way', () => provider.asked === 2);
    await provider.rotate('second', 1);
    const asked = Promise.all([keys.ask('second'), keys.ask('second')]);
    release();
    await asked;
    assert.deepEqual(keys.kids, ['first', 'second']);
    assert.equal(provider.asked, 3);
  });

  test('tokens without a key id count as one', async () => {
    await using provider = await IdentityProvider.start();
    await using keys = await superviseKeys(provider);
    await provider.rotate('second');
    await keys.ask('');
    assert.deepEqual(keys.kids, ['second']);
  });

  test('a hint that makes no sense harms nobody', async () => {
    await using provider = await IdentityProvider.start();
    await using keys = await superviseKeys(provider);
    await assert.rejects(keys.feed.ask('no JSON'));
    await keys.ask('kid', 'https://unknown.example');
    assert.equal(provider.asked, 1);
  });
});

suite('the end', () => {
  test('leaves no timer and no request, and publishes nothing any more', async () => {
    await using provider = await IdentityProvider.start();
    const keys = await superviseKeys(provider);
    provider.failure = failures.slow;
    keys.clock.advance(keys.wait);
    const { version } = keys.feed;
    const asked = keys.ask('unknown');
    await keys[Symbol.asyncDispose]();
    await asked;
    assert.equal(keys.clock.pending, 0);
    assert.equal(keys.feed.version, version);
    assert.deepEqual(keys.problems, []);
  });
});
