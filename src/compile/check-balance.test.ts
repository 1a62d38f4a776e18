import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkText } from '../../test/support/compiled.ts';
import type { UpstreamOptions } from '../plan/upstream.ts';

async function upstream(settings: string): Promise<UpstreamOptions> {
  const { document, problems } = await checkText(`upstreams:
  a:
    targets: [http://127.0.0.1:1, { url: "http://127.0.0.1:2", priority: 1 }]
    health: { path: /up }
${settings.replace(/^/gm, '    ')}
routes: { /*: a }
`);
  const [first] = document?.upstreams ?? [];
  assert.ok(first, JSON.stringify(problems));
  return first;
}

async function problemsOf(upstreams: string): Promise<string[]> {
  const { problems } = await checkText(`upstreams: ${upstreams}\nroutes: { /*: a }\n`);
  return problems.map(({ severity, code, place }) => `${severity} ${code} ${place?.path}`);
}

describe('what is not said, or is so anyway, leaves nothing in the plan', () => {
  for (const settings of [
    '',
    'balance: round-robin',
    'balance: { by: round-robin }',
    'balance: { panicThreshold: 30% }',
  ]) {
    test(settings === '' ? 'nothing' : settings, async () => {
      const { balance, ejection, affinity } = await upstream(settings);
      assert.deepEqual({ balance, ejection, affinity }, { balance: null, ejection: null, affinity: null });
    });
  }
});

describe('balance', () => {
  const plain = { method: 'round-robin', key: null, maxLoad: 1.25, slowStart: 0, panicThreshold: 0.3 };
  const cases: [written: string, expected: Partial<UpstreamOptions['balance']>][] = [
    ['least-request', { method: 'least-request' }],
    ['{ by: ewma, slowStart: 30s, panicThreshold: 50% }', { method: 'ewma', slowStart: 30_000, panicThreshold: 0.5 }],
    ['{ panicThreshold: 0% }', { panicThreshold: 0 }],
    ['{ hash: address }', { method: 'hash', key: { kind: 'address' } }],
    [
      '{ hash: { header: X-Tenant }, maxLoad: 2 }',
      { method: 'hash', key: { kind: 'header', name: 'x-tenant' }, maxLoad: 2 },
    ],
    ['{ hash: { cookie: SID } }', { method: 'hash', key: { kind: 'cookie', name: 'SID' } }],
  ];
  for (const [written, expected] of cases) {
    test(written, async () => {
      assert.deepEqual((await upstream(`balance: ${written}`)).balance, { ...plain, ...expected });
    });
  }
});

test('ejection has a default for everything', async () => {
  const { ejection } = await upstream('ejection: true');
  assert.deepEqual(ejection, {
    failures: 5,
    connect: true,
    reset: true,
    timeout: true,
    malformed: true,
    statuses: [502, 503, 504],
    successRate: { margin: 0.25, minimumCalls: 50, window: 10_000 },
    baseTime: 30_000,
    maxTime: 300_000,
    maxShare: 0.5,
  });
  const own = (await upstream('ejection: { for: [5xx, connect], failures: 3, successRate: false, time: 1s }')).ejection;
  assert.equal(own?.statuses.length, 100);
  assert.deepEqual(
    [own?.connect, own?.reset, own?.failures, own?.successRate, own?.baseTime],
    [true, false, 3, null, 1_000],
  );
});

test('affinity and priorities', async () => {
  const { affinity, endpoints } = await upstream('affinity: { cookie: seat, ttl: 1h }');
  assert.deepEqual(affinity, { cookie: 'seat', ttl: 3_600_000, secret: null });
  assert.deepEqual(
    endpoints.map(({ priority }) => priority),
    [0, 1],
  );
});

describe('what makes no sense is said', () => {
  const two = 'targets: ["http://127.0.0.1:1", "http://127.0.0.1:2"]';
  const cases: [what: string, upstreams: string, expected: string[]][] = [
    [
      'two ways at once',
      `{ a: { ${two}, balance: { by: ewma, hash: address } } }`,
      ['error wrong-value upstreams.a.balance.by'],
    ],
    [
      'a bound without a hash',
      `{ a: { ${two}, balance: { maxLoad: 2 } } }`,
      ['error wrong-value upstreams.a.balance.maxLoad'],
    ],
    [
      'a time past its bound',
      `{ a: { ${two}, ejection: { time: 1h } } }`,
      ['error wrong-value upstreams.a.ejection.time'],
    ],
    [
      'one target',
      '{ a: { targets: "http://127.0.0.1:1", balance: ewma, ejection: true, affinity: { cookie: s } } }',
      ['balance', 'ejection', 'affinity'].map((key) => `warning unused-setting upstreams.a.${key}`),
    ],
    [
      'priorities that nobody looks after',
      '{ a: { targets: ["http://127.0.0.1:1", { url: "http://127.0.0.1:2", priority: 1 }] } }',
      ['warning blind-priority upstreams.a.targets'],
    ],
    [
      'one cookie for two upstreams',
      `{ a: { ${two}, affinity: { cookie: s } }, b: { ${two}, affinity: { cookie: s } } }`,
      ['error shared-cookie upstreams.b.affinity.cookie'],
    ],
  ];
  for (const [what, upstreams, expected] of cases) {
    test(what, async () => {
      const found = await problemsOf(upstreams);
      assert.deepEqual(
        found.filter((each) => !each.includes('unused-upstream')),
        expected,
      );
    });
  }
});
