import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { SourceReport } from '../../src/policies/auth/jwks/jwks-source.ts';
import type { Status } from '../../src/supervisor/status.ts';
import { type Gateway, type GatewayOptions, startGateway, until } from '../harness.ts';
import { failures, IdentityProvider } from '../support/identity-provider.ts';

/** Whole gateways and an identity provider that is late, wrong, changing its mind, or not there at all. */

function start(provider: IdentityProvider, fetching = '{}', options: GatewayOptions = {}): Promise<Gateway> {
  const config = `
auth:
  customer: { jwt: { issuer: "${provider.issuer}", audience: shop, fetch: ${fetching} } }
defaults: { auth: customer }
routes:
  /who: { respond: { status: 200 } }
  /open: { auth: public, respond: { status: 200 } }
`;
  return startGateway(config, options);
}

interface Answer {
  readonly status: number;
  /** Of the problem; null: there is none. */
  readonly code: string | null;
  readonly retryAfter: string | null;
}

async function ask(gateway: Gateway, token: string | null): Promise<Answer> {
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(`${gateway.url}/who`, { headers });
  const text = await response.text();
  const code = response.ok ? null : (JSON.parse(text) as { code: string }).code;
  return { status: response.status, code, retryAfter: response.headers.get('retry-after') };
}

function goodToken(provider: IdentityProvider, subject = 'ada'): Promise<string> {
  return provider.token({ sub: subject, aud: 'shop' });
}

/** Says that it comes from there, and names a key of its own. */
async function forgedToken(provider: IdentityProvider, forger: IdentityProvider, kid: string): Promise<string> {
  await forger.rotate(kid);
  return await forger.token({ iss: provider.issuer, sub: 'eve', aud: 'shop' });
}

async function reportOf(gateway: Gateway): Promise<SourceReport> {
  const { supervision } = (await gateway.admin('GET', '/status')).body as Status;
  const [report] = (supervision[0]?.state ?? []) as SourceReport[];
  assert.ok(report !== undefined);
  return report;
}

function logged(gateway: Gateway, words: RegExp): number {
  return gateway.stderr.split('\n').filter((line) => words.test(line)).length;
}

describe('an identity provider', () => {
  it('that works is asked once, by one gateway with several workers', async () => {
    await using provider = await IdentityProvider.start();
    await using gateway = await start(provider, '{}', { workers: 2 });
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, i) => goodToken(provider, `caller ${i}`)));
    const answers = await Promise.all(tokens.map((token) => ask(gateway, token)));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    assert.equal((await ask(gateway, null)).code, 'credential_missing');
    assert.deepEqual(provider.requests, ['/.well-known/openid-configuration', '/jwks']);
    const { keys, url, failure } = await reportOf(gateway);
    assert.deepEqual({ keys, url, failure }, { keys: ['first'], url: provider.jwksUrl, failure: null });
  });

  const { huge: _, ...usual } = failures;
  for (const [what, fail] of Object.entries({ gone: null, ...usual })) {
    it(`that is ${what}: 503 and never 401 until there are keys, and later nobody notices`, async () => {
      await using provider = await IdentityProvider.start();
      await using forger = await IdentityProvider.start();
      const failing = async (): Promise<void> => {
        if (fail === null) await provider.leave();
        else provider.failure = fail;
      };
      const working = async (): Promise<void> => {
        if (fail === null) await provider.comeBack();
        else provider.failure = null;
      };
      await failing();
      await using gateway = await start(provider, '{ timeout: 1s, refresh: 1s }');
      const token = await goodToken(provider);
      const { status, code, retryAfter } = await ask(gateway, token);
      assert.deepEqual({ status, code }, { status: 503, code: 'identity_unavailable' });
      assert.ok(Number(retryAfter) > 0);
      assert.equal((await ask(gateway, null)).status, 401, 'without a credential there is nothing to judge');
      assert.equal((await fetch(`${gateway.url}/open`)).status, 200, 'what needs no identity is served');
      await until('the failure is seen', async () => (await reportOf(gateway)).failure !== null);
      assert.equal((await reportOf(gateway)).obtained, false);

      await working();
      const seen = new Set<number>();
      await until('callers are known', async () => {
        const answer = await ask(gateway, token);
        seen.add(answer.status);
        return answer.status === 200;
      });
      assert.ok(!seen.has(401));

      await failing();
      await until('the failure is seen', async () => (await reportOf(gateway)).failure !== null);
      for (let i = 0; i < 10; i++) {
        assert.equal((await ask(gateway, token)).status, 200);
        assert.equal((await ask(gateway, await goodToken(provider, `caller ${i}`))).status, 200);
      }
      const unknown = await ask(gateway, await forgedToken(provider, forger, 'may be new'));
      assert.equal(unknown.code, 'identity_unavailable', 'it may be a new key');

      await working();
      await until('all is well', async () => (await reportOf(gateway)).failure === null);
      assert.equal((await ask(gateway, token)).status, 200);
      await until('it is said', () => logged(gateway, /can be fetched again/) >= 2);
      assert.ok(logged(gateway, /cannot be fetched/) <= 3, 'an outage is said once');
    });
  }
});

describe('keys', () => {
  it('rotate under load: nobody is rejected, and each new key costs one request', async () => {
    const rotations = 5;
    await using provider = await IdentityProvider.start();
    await using gateway = await start(provider, '{}', { workers: 2 });
    const statuses = new Map<number, number>();
    let stopping = false;
    const client = async (name: string): Promise<void> => {
      for (let i = 0; !stopping; i++) {
        const { status } = await ask(gateway, await goodToken(provider, `${name} ${i}`));
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    const clients = Array.from({ length: 8 }, (_, i) => client(`client ${i}`));
    for (let i = 0; i < rotations; i++) {
      const before = statuses.get(200) ?? 0;
      await until('callers are served', () => (statuses.get(200) ?? 0) >= before + 100);
      await provider.rotate(`rotated ${i}`, 1);
    }
    const before = statuses.get(200) ?? 0;
    await until('callers are served', () => (statuses.get(200) ?? 0) >= before + 100);
    stopping = true;
    await Promise.all(clients);
    assert.deepEqual([...statuses.keys()], [200]);
    assert.equal(provider.asked, 1 + rotations);
  });

  it('that are withdrawn verify nothing any more, and what they verified is forgotten', async () => {
    await using provider = await IdentityProvider.start();
    await using gateway = await start(provider, '{ refresh: 1s }', { workers: 2 });
    const old = await goodToken(provider);
    assert.equal((await ask(gateway, old)).status, 200);
    await provider.rotate('second');
    await until('the old key is gone', async () => (await reportOf(gateway)).keys.join() === 'second');
    for (let i = 0; i < 10; i++) assert.equal((await ask(gateway, old)).code, 'token_invalid');
    assert.equal((await ask(gateway, await goodToken(provider))).status, 200);
  });

  it('that are made up cause hardly a request and harm nobody', async () => {
    await using provider = await IdentityProvider.start();
    await using forger = await IdentityProvider.start();
    await using gateway = await start(provider, '{}', { workers: 2 });
    const forged: string[] = [];
    for (let i = 0; i < 50; i++) forged.push(await forgedToken(provider, forger, `made up ${i}`));
    const good = await goodToken(provider);
    const answers = await Promise.all(forged.flatMap((token) => [ask(gateway, token), ask(gateway, good)]));
    answers.forEach(({ status }, i) => {
      assert.equal(status, i % 2 === 0 ? 401 : 200);
    });
    assert.ok(provider.asked <= 4, 'one in five seconds');
  });

  it('that are too old identify nobody: 503 until there are new ones', async () => {
    await using provider = await IdentityProvider.start();
    await using gateway = await start(provider, '{ refresh: 1s, keepStale: 1s }');
    const token = await goodToken(provider);
    assert.equal((await ask(gateway, token)).status, 200);
    await provider.leave();
    const seen = new Set<number>();
    await until('the keys are too old', async () => {
      const { status } = await ask(gateway, token);
      seen.add(status);
      return status === 503;
    });
    await provider.comeBack();
    await until('callers are known', async () => {
      const { status } = await ask(gateway, token);
      seen.add(status);
      return status === 200;
    });
    assert.ok(!seen.has(401));
    assert.equal(logged(gateway, /too old/), 1);
  });

  it('of the last process serve a start while the provider is gone', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-state-'));
    try {
      await using provider = await IdentityProvider.start();
      const options = { env: { STATE_DIRECTORY: directory } };
      await (await start(provider, '{}', options)).stop();
      await provider.leave();
      await using gateway = await start(provider, '{}', options);
      assert.equal((await ask(gateway, await goodToken(provider))).status, 200);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe('a reload', () => {
  it('that changes how tokens are judged rejects nobody meanwhile, though the provider is gone', async () => {
    await using provider = await IdentityProvider.start();
    await using gateway = await start(provider);
    const token = await goodToken(provider);
    assert.equal((await ask(gateway, token)).status, 200);
    await provider.leave();
    gateway.write(`
auth:
  customer: { jwt: { issuer: "${provider.issuer}", audience: shop, clockSkew: 1m } }
routes:
  /who: { auth: customer, respond: { status: 201 } }
`);
    assert.equal((await gateway.admin('POST', '/reload')).status, 200);
    assert.equal((await ask(gateway, token)).status, 201);
  });
});
