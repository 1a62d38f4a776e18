import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Status } from '../../src/supervisor/status.ts';
import type { PlanView, UsageView } from '../../src/supervisor/usage-view.ts';
import { type Gateway, type GatewayOptions, startGateway, startUpstream, type Upstream, until } from '../harness.ts';
import { redisMissing, startRedis } from '../support/redis.ts';
import { secondsFromNow, signer, tokenOf } from '../support/tokens.ts';

const SHIM = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url));
const BOMB = fileURLToPath(new URL('../fixtures/bomb-policy.ts', import.meta.url));
const SHOP = new URL('../../examples/shop/sluice.yaml', import.meta.url);
const shop = signer('RS256');
const ACME = { 'x-api-key': 'the-key-of-acme-in-a-file' };
const options: GatewayOptions = {
  files: {
    'keys/acme': 'the-key-of-acme-in-a-file\n',
    'keys/initech': 'the-key-of-initech-in-a-file\n',
    'issuer.json': JSON.stringify({ keys: [shop.jwk] }),
  },
};

/** `plans` in one line; acme is on gold, whoever has no plan of its own on free. */
function configuration({ url }: Pick<Upstream, 'url'>, plans: string, rest = ''): string {
  return `
upstreams: { service: ${url} }
auth:
  customer: { jwt: { issuer: shop, audience: shop, jwks: "\${file:issuer.json}", plan: tier }, plan: free }
  visitor: { jwt: { issuer: shop, audience: shop, jwks: "\${file:issuer.json}", cookie: token, plan: tier } }
  partner: { apiKey: { header: x-api-key } }
plans: ${plans}
consumers:
  acme: { plan: gold, keys: { partner: "\${file:keys/acme}" } }
  initech: { keys: { partner: "\${file:keys/initech}" } }
defaults: { auth: [customer, partner] }
${rest}
routes:
  /*: service
  /public: { to: service, auth: public }
  /free: { to: service, plan: false }
  /report: { to: service, plan: { cost: 10 } }
  /visit: { to: service, auth: visitor }
`;
}

interface Answer {
  readonly status: number;
  readonly code: string | null;
  readonly headers: IncomingHttpHeaders;
}

/** Over a connection of its own, so that the kernel spreads them over the workers. */
function ask(gateway: Gateway, headers: Record<string, string> = ACME, path = '/'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(gateway.url + path, { headers, agent: new Agent({ keepAlive: false }) }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      response.on('end', () => {
        const { statusCode: status = 0 } = response;
        resolve({
          status,
          code: status < 400 ? null : (JSON.parse(text) as { code: string }).code,
          headers: response.headers,
        });
      });
    });
    sent.once('error', reject);
    sent.end();
  });
}

/** How many of them were answered 200; each other answer must have this code. */
async function granted(gateway: Gateway, attempts: number, headers = ACME as Record<string, string>): Promise<number> {
  let count = 0;
  for (let sent = 0; sent < attempts; sent += 20) {
    const batch = Array.from({ length: Math.min(20, attempts - sent) }, () => ask(gateway, headers));
    for (const { status, code } of await Promise.all(batch)) {
      if (status === 200) count++;
      else assert.equal(code, 'quota_exceeded');
    }
  }
  return count;
}

function bearer(claims: object): Record<string, string> {
  const token = tokenOf(shop, { iss: 'shop', aud: 'shop', sub: 'ann', exp: secondsFromNow(600), ...claims });
  return { authorization: `Bearer ${token}` };
}

function sluice(gateway: Gateway, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [SHIM, ...args, '-c', gateway.configFile], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

async function usage(gateway: Gateway, subject = 'acme'): Promise<UsageView[]> {
  const { status, body } = await gateway.admin('GET', `/usage?subject=${encodeURIComponent(subject)}`);
  assert.equal(status, 200);
  return (body as { usage: UsageView[] }).usage;
}

async function used(gateway: Gateway, subject?: string): Promise<number> {
  return (await usage(gateway, subject))[0]?.used ?? 0;
}

describe('quotas', () => {
  it('are exact over several workers, over a reload, and over the end of a worker', async () => {
    await using upstream = await startUpstream();
    const plans = '{ free: { quota: 20/month }, gold: { quota: 150/month } }';
    const bomb = `  /bomb: { respond: { status: 200 }, auth: public, bomb: true }\npolicies: [${BOMB}]\n`;
    const config = configuration(upstream, plans) + bomb;
    await using gateway = await startGateway(config, { ...options, workers: 3 });
    assert.equal(await granted(gateway, 60), 60);
    gateway.write(config.replace('150/month', '200/month'));
    await until(
      'the reload',
      async () => (await gateway.admin('GET', '/plans')).body !== null && (await quotaOf(gateway)) === 200,
    );
    assert.equal(await granted(gateway, 60), 60);
    await ask(gateway, { 'x-bomb': 'throw outside' }, '/bomb').catch(() => undefined);
    await until('the worker has a successor', async () => {
      const { workers, replaced } = (await gateway.admin('GET', '/status')).body as Status;
      return (replaced.crashed ?? 0) > 0 && workers.filter(({ state }) => state === 'serving').length === 3;
    });
    assert.equal(await granted(gateway, 150), 80);
    assert.equal(await used(gateway), 200);

    const { status, headers } = await ask(gateway);
    assert.equal(status, 429);
    const now = new Date();
    const end = Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1);
    const seconds = Number(headers['retry-after']);
    assert.ok(Math.abs(seconds - (end - now.getTime()) / 1000) < 60, `Retry-After: ${seconds}`);
    assert.equal(headers['ratelimit-policy'], '"gold-month";q=200;w=2592000');
    assert.match(String(headers.ratelimit), /^"gold-month";r=0;t=\d+$/);
    assert.match(String(headers['x-quota-warning']), /^"month";used=200;limit=200;t=\d+$/);
    assert.equal(upstream.requests.length, 200);
  });

  it('outlive the process, and all but the last second of one that is killed', async () => {
    await using upstream = await startUpstream();
    const config = configuration(
      upstream,
      '{ free: {}, gold: { quota: [1000/month, { limit: 500/day, rolling: true }] } }',
    );
    const first = await startGateway(config, options);
    assert.equal(await granted(first, 40), 40);
    first.signal('SIGTERM');
    await first.exited;
    const second = await startGateway(config, { ...options, like: first });
    assert.deepEqual(
      (await usage(second)).map(({ period, used }) => [period, used]),
      [
        ['month', 40],
        ['rolling 1d', 40],
      ],
    );
    // Known before the first request.
    assert.match(
      String((await ask(second)).headers.ratelimit),
      /^"gold-month";r=959;t=\d+, "gold-rolling";r=459;t=\d+$/,
    );
    assert.equal(await granted(second, 60), 60);
    await sleep(1000);
    const counted = await granted(second, 10);
    second.signal('SIGKILL');
    await second.exited;
    await using third = await startGateway(config, { ...options, like: first });
    const kept = await used(third);
    assert.ok(kept >= 101 && kept <= 101 + counted, `${kept} of ${101 + counted} are kept`);
  });

  it('hold until their period is over and say so near the end, unless nobody is to know', async () => {
    await using upstream = await startUpstream();
    const plans = '{ free: {}, gold: { quota: { limit: 10/10s, rolling: true }, warnAt: 50% } }';
    await using gateway = await startGateway(configuration(upstream, plans), options);
    const warnings: (string | undefined)[] = [];
    for (let i = 0; i < 6; i++) warnings.push(String((await ask(gateway)).headers['x-quota-warning']).split(';t=')[0]);
    assert.deepEqual(warnings.slice(3), ['undefined', '"rolling";used=5;limit=10', '"rolling";used=6;limit=10']);
    assert.equal(await granted(gateway, 10), 4);
    const { headers } = await ask(gateway);
    const wait = Number(headers['retry-after']);
    assert.ok(wait >= 1 && wait <= 11, `Retry-After: ${wait}`);
    await sleep(wait * 1000);
    assert.equal((await ask(gateway)).status, 200);
  });

  it('are not used by what is refused for another reason, by what is free, or by what is public', async () => {
    await using upstream = await startUpstream();
    const plans = '{ free: {}, gold: { rate: 1/h, burst: 13, quota: 1000/month } }';
    await using gateway = await startGateway(configuration(upstream, plans), options);
    for (const path of ['/free', '/public']) assert.equal((await ask(gateway, ACME, path)).status, 200);
    assert.equal((await ask(gateway, ACME, '/report')).status, 200);
    for (let i = 0; i < 3; i++) assert.equal((await ask(gateway)).status, 200);
    const { status, code, headers } = await ask(gateway);
    assert.deepEqual([status, code], [429, 'rate_limited']);
    assert.ok(Number(headers['retry-after']) > 3500);
    assert.equal(headers['ratelimit-policy'], '"gold";q=1;w=3600;sluice-burst=13, "gold-month";q=1000;w=2592000');
    assert.equal(await used(gateway), 13);
  });

  it('of a plan that only watches let everything pass, and count and log it', async () => {
    await using upstream = await startUpstream();
    const plans = '{ free: {}, gold: { rate: 1/h, quota: 5/month, report: true } }';
    await using gateway = await startGateway(configuration(upstream, plans), options);
    assert.equal(await granted(gateway, 8), 8);
    assert.equal(await used(gateway), 8);
    const { headers } = await ask(gateway);
    assert.deepEqual([headers.ratelimit, headers['x-quota-warning']], [undefined, undefined]);
    await until('it is logged', () => gateway.stdout.includes('"code":"quota_exceeded"'));
    const { body } = await gateway.admin('GET', '/metrics');
    assert.ok(String(body).includes('{limit="quota month",scope="plan gold",outcome="reported"} 4'));
  });
});

async function quotaOf(gateway: Gateway): Promise<number> {
  const { plans } = (await gateway.admin('GET', '/plans')).body as { plans: PlanView[] };
  return plans.find(({ name }) => name === 'gold')?.quotas[0]?.limit ?? 0;
}

describe('the plan of a caller', () => {
  it('is what its credential says, else its consumer’s, else that of the entry', async () => {
    await using upstream = await startUpstream();
    const plans = '{ free: { quota: 10/month }, silver: { quota: 20/month }, gold: { quota: 30/month } }';
    await using gateway = await startGateway(configuration(upstream, plans), options);
    const policyOf = async (headers: Record<string, string>): Promise<string | undefined> =>
      String((await ask(gateway, headers)).headers['ratelimit-policy']).split(';')[0];
    assert.equal(await policyOf(ACME), '"gold-month"');
    assert.equal(await policyOf(bearer({})), '"free-month"');
    assert.equal(await policyOf(bearer({ tier: 'silver' })), '"silver-month"');
    // The claim names a plan that does not exist: what the entry gives to everybody, or nothing at all.
    assert.equal(await policyOf(bearer({ tier: 'platinum' })), '"free-month"');
    const { authorization = '' } = bearer({ tier: 'platinum' });
    const astray = await ask(gateway, { cookie: `token=${authorization.slice(7)}` }, '/visit');
    assert.deepEqual([astray.status, astray.code], [403, 'plan_unknown']);
    // A consumer without a plan at an entry without one is held to none.
    const without = await ask(gateway, { 'x-api-key': 'the-key-of-initech-in-a-file' });
    assert.deepEqual([without.status, without.headers.ratelimit], [200, undefined]);
    // One caller has one count, whatever plan it comes with.
    assert.equal(await used(gateway, 'ann'), 3);
    const { stdout } = await sluice(gateway, 'plans');
    assert.match(stdout, /gold +- +- +30 per month +caller +acme +-\n/);
  });

  it('is as the sample of a shop has it', async () => {
    await using upstream = await startUpstream();
    const sample = /^plans:\n((?: .*\n)+)/m.exec(readFileSync(SHOP, 'utf8'))?.[1];
    assert.ok(sample !== undefined);
    await using gateway = await startGateway(configuration(upstream, `\n${sample}`), options);
    const free = await ask(gateway, bearer({}));
    assert.equal(free.headers['ratelimit-policy'], '"free";q=10;w=1;sluice-burst=20, "free-day";q=10000;w=86400');
    assert.match(String(free.headers.ratelimit), /^"free";r=19;t=1, "free-day";r=9999;t=\d+$/);
    const gold = await ask(gateway);
    assert.equal(
      gold.headers['ratelimit-policy'],
      '"gold";q=500;w=1;sluice-burst=1000, "gold-month";q=5000000;w=2592000',
    );
  });
});

describe('sluice usage', () => {
  it('lists, adds and resets while requests are served', async () => {
    await using upstream = await startUpstream();
    const config = configuration(upstream, '{ free: {}, gold: { quota: 50/month } }');
    await using gateway = await startGateway(config, { ...options, workers: 2 });
    assert.equal(await granted(gateway, 60), 50);
    const listed = await sluice(gateway, 'usage', 'acme');
    assert.match(listed.stdout, /consumer:acme +gold +month +50 +50 +0 +100 %/);

    assert.equal((await sluice(gateway, 'usage', 'reset', 'acme')).code, 0);
    assert.equal(await granted(gateway, 10), 10);
    const added = await sluice(gateway, 'usage', 'add', 'acme', '35', '--json');
    assert.deepEqual([added.code, (JSON.parse(added.stdout) as UsageView[])[0]?.used], [0, 45]);
    assert.equal(await granted(gateway, 10), 5);
    assert.equal((await sluice(gateway, 'usage', 'add', 'acme', '-20')).code, 0);
    assert.equal(await granted(gateway, 30), 20);

    const unknown = await sluice(gateway, 'usage', 'reset', 'acmee');
    assert.deepEqual([unknown.code, unknown.stderr.includes('there is no consumer `acmee`')], [1, true]);
    const period = await sluice(gateway, 'usage', 'reset', 'acme', '--period', 'day');
    assert.match(period.stderr, /no quota counts per `day`; there are: `month`/);
    assert.equal((await gateway.admin('POST', '/usage/adjust', { subject: 'acme' })).status, 422);
    // A consumer that has not called yet.
    const plan = { subject: 'initech', add: 7, period: 'month' };
    assert.equal((await gateway.admin('POST', '/usage/adjust', plan)).status, 200);
    assert.equal(await used(gateway, 'initech'), 7);
    const all = await sluice(gateway, 'usage', '--json');
    assert.deepEqual(
      (JSON.parse(all.stdout) as UsageView[]).map(({ subject }) => subject),
      ['consumer:acme', 'consumer:initech'],
    );
  });
});

describe('quotas that machines share', { skip: redisMissing }, () => {
  it('count as one within the bound, and go on without their store', async () => {
    await using redis = await startRedis();
    await using upstream = await startUpstream();
    const config = configuration(
      upstream,
      '{ free: {}, gold: { quota: 100/month } }',
      `stores: { shared: { redis: "redis://127.0.0.1:${redis.port}" } }`,
    );
    await using one = await startGateway(config, options);
    await using other = await startGateway(config, options);
    assert.equal(await granted(one, 30), 30);
    await until('the other one learns of it with its next request', async () => {
      await other.admin('GET', '/usage');
      return (await used(other)) >= 30;
    });
    // Both at once, each a moment behind the other: each may grant what it grants in that moment besides. How much that
    // is depends on the machine, and what counts is that nothing is lost.
    const [a, b] = await Promise.all([granted(one, 80), granted(other, 80)]);
    assert.ok(a + b >= 70, `${30 + a + b} of 100`);
    let later = 0;
    await until('both know that it is used up', async () => {
      const more = (await granted(one, 1)) + (await granted(other, 1));
      later += more;
      return more === 0;
    });
    const total = 30 + a + b + later;
    await until('both know all of it', async () => (await used(one)) === total && (await used(other)) === total);

    assert.equal((await sluice(one, 'usage', 'reset', 'acme')).code, 0);
    await until('the other one has heard of it', async () => (await ask(other)).status === 200);

    await redis.kill();
    await until('the outage is noticed', async () => {
      const { body } = await one.admin('GET', '/usage');
      return (body as { store: { failure: string | null } }).store.failure !== null;
    });
    const before = await used(one);
    assert.equal(await granted(one, 20), 20);
    assert.equal(await used(one), before + 20);
    await redis.start();
    await until('what was used meanwhile is in the store, which is empty otherwise', async () => {
      return (
        (await used(other)) >= 0 &&
        Number(redis.command('hget', keyOf(redis.command('keys', '*')), 'consumer:acme')) >= 20
      );
    });
  });

  it('begin without their store', async () => {
    await using redis = await startRedis();
    await redis.kill();
    await using upstream = await startUpstream();
    const config = configuration(
      upstream,
      '{ free: {}, gold: { quota: 10/month } }',
      `stores: { shared: { redis: "redis://127.0.0.1:${redis.port}" } }`,
    );
    await using gateway = await startGateway(config, options);
    assert.equal(await granted(gateway, 15), 10);
    await redis.start();
    await until(
      'it was told',
      () => redis.command('hget', keyOf(redis.command('keys', '*')), 'consumer:acme') === '10',
    );
  });
});

/** The hash of the month, among all keys. */
function keyOf(keys: string): string {
  return keys.split('\n').find((key) => key.includes('{usage}:month')) ?? 'none';
}
