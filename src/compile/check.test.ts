import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { makeAuthority, selfSigned } from '../../test/support/certificates.ts';
import { checkFile, checkText, inFolder } from '../../test/support/compiled.ts';
import { manyRoutes } from '../../test/support/many-routes.ts';

function codes({ problems }: Awaited<ReturnType<typeof checkText>>): string[] {
  return problems.map(({ severity, code, place }) => `${severity} ${code} ${place?.line}`);
}

test('the canonical sample is accepted, and says what it has to wait for', async () => {
  const { document, problems } = await checkFile(resolve(import.meta.dirname, '../../examples/shop/sluice.yaml'));
  assert.ok(document);
  assert.deepEqual([...new Set(problems.map(({ severity, code }) => `${severity} ${code}`))].sort(), [
    'warning not-available-yet',
    'warning protection-removed',
  ]);
  const running = document.routes.filter(({ target }) => target.kind !== 'refused').map(({ name }) => name);
  assert.deepEqual(running, [
    'GET /v1/users/{id}',
    '/v1/orders/*',
    'POST /v1/orders',
    'GET /v1/catalog/*',
    '/v2/search',
    '/v2/search #2',
    '/legacy/*',
    'GET /ready',
  ]);
});

test('an empty configuration has no routes and is sound', async () => {
  const { document, process } = await checkText('');
  assert.ok(document && process);
  assert.deepEqual(document.routes, []);
  assert.equal(document.listeners[0]?.address, '127.0.0.1:8080');
});

test('many routes with the same defaults share their options', async () => {
  const { document } = await checkText(manyRoutes(500));
  assert.ok(document);
  assert.equal(document.routes.length, 500);
  assert.ok(document.uses.length < 80, String(document.uses.length));
});

test('short and long forms of an upstream resolve to the same', async () => {
  const { document } = await checkText(`upstreams:
  a: https://a.example/v1/
  b: { targets: [https://a.example/v1] }
  c: { targets: { url: "unix:/run/c.sock", weight: 3 }, timeout: 2s, hostHeader: target, proxyProtocol: 2 }
  d: { targets: ["http://[::1]:81"], timeout: { connect: 1s }, hostHeader: d.example }
routes: { /*: "http://127.0.0.1:1/" }
`);
  assert.ok(document);
  const [a, b, c, d, url] = document.upstreams;
  assert.ok(a && b && c && d && url);
  assert.deepEqual({ ...a, name: 'b' }, b);
  assert.deepEqual(c.endpoints, [
    {
      url: 'unix:/run/c.sock',
      tls: false,
      host: 'localhost',
      address: null,
      port: 0,
      path: '/run/c.sock',
      basePath: '',
      weight: 3,
      priority: 0,
    },
  ]);
  assert.equal(c.totalTimeout, 2000);
  assert.equal(c.proxyProtocol, 2);
  assert.deepEqual(c.hostHeader, { kind: 'endpoint' });
  assert.equal(d.endpoints[0]?.host, '::1');
  assert.equal(d.connectTimeout, 1000);
  assert.deepEqual(d.hostHeader, { kind: 'fixed', value: 'd.example' });
  assert.equal(url.name, 'http://127.0.0.1:1');
});

test('presets are put over the gateway, later ones over earlier ones, and the route over all', async () => {
  const { document } = await checkText(`upstreams: { a: http://127.0.0.1:1 }
presets: { slow: { timeout: 60s }, fast: { timeout: 1s } }
defaults: { timeout: 10s }
gateways:
  web:
    timeout: 20s
    routes:
      /gateway: a
      /preset: { to: a, use: [slow, fast] }
      /route: { to: a, use: [fast, slow], timeout: 5s }
      /off: { to: a, use: fast, timeout: false }
`);
  assert.deepEqual(
    document?.routes.map(({ name, timeout }) => [name, timeout]),
    [
      ['/gateway', 20_000],
      ['/preset', 1000],
      ['/route', 5000],
      ['/off', 0],
    ],
  );
});

const policy = (name: string, body: string) => `import { z } from 'zod';
export default {
  name: '${name}',
  summary: 'A policy of a test.',
  schema: z.strictObject({ header: z.string() }),
  examples: [],
  compile({ header }, env) { ${body} },
};`;

async function withPolicies(files: Record<string, string>, text: string) {
  // Inside the project, so that the modules find its packages.
  const folder = mkdtempSync(join(import.meta.dirname, '.policies-'));
  try {
    for (const [name, content] of Object.entries({ ...files, 'sluice.yaml': text }))
      writeFileSync(join(folder, name), content);
    return await checkFile(join(folder, 'sluice.yaml'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('users’ policies bring their own settings, checked like the others', async () => {
  const files = { 'tenant.ts': policy('tenant', "return { request: { phase: 'guard', run: () => undefined } };") };
  const sound = await withPolicies(
    files,
    'policies: ./tenant.ts\nroutes: { /*: { to: http://127.0.0.1:1, tenant: { header: x-tenant } } }',
  );
  assert.deepEqual(codes(sound), []);
  assert.deepEqual(sound.document?.uses, [{ policy: 'tenant', options: { header: 'x-tenant' } }]);
  assert.equal(sound.codeFiles.length, 1);
  const wrong = await withPolicies(
    files,
    'policies: ./tenant.ts\nroutes: { /*: { to: http://127.0.0.1:1, tenant: { heder: x } } }',
  );
  assert.match(wrong.problems[0]?.remedy ?? '', /header/);
});

test('users’ policies that do not load, collide or fail are errors with a line', async () => {
  const checked = await withPolicies(
    {
      'cors.ts': policy('cors', 'return null;'),
      'empty.ts': 'export default {};',
      'throws.ts': policy('throws', "throw new Error('no such tenant');"),
      'facts.ts': policy('facts', "return { reads: ['identity'], request: { phase: 'guard', run: () => undefined } };"),
    },
    `policies:
  - ./cors.ts
  - ./empty.ts
  - ./missing.ts
  - ./throws.ts
  - ./facts.ts
routes:
  /a: { to: http://127.0.0.1:1, throws: { header: x } }
  /b: { to: http://127.0.0.1:1, facts: { header: x } }
`,
  );
  assert.deepEqual(codes(checked), [
    'error duplicate-policy 2',
    'error policy-not-loaded 3',
    'error policy-not-loaded 4',
    'error policy-failed 8',
    'error missing-fact 9',
  ]);
});

test('certificates are read, and held against their keys', async () => {
  const own = selfSigned(['shop.example']);
  const other = selfSigned(['other.example']);
  const files = { 'tls/own.crt': own.certificate, 'tls/own.key': own.key, 'tls/other.key': other.key, 'tls/text': 'x' };
  const check = (tls: string) =>
    checkText(`listen: { address: 127.0.0.1:8443, tls: ${tls} }\nroutes: { /*: http://127.0.0.1:1 }`, files);
  const sound = await check('{ certificate: tls/own.crt, key: "${file:tls/own.key}" }');
  assert.deepEqual(codes(sound), []);
  assert.equal(sound.document?.listeners[0]?.tls?.certificates[0]?.key, own.key.trimEnd());
  assert.equal(sound.dataFiles.length, 1);
  assert.deepEqual(codes(await check('{ certificate: tls/own.crt, key: tls/other.key }')), ['error key-mismatch 1']);
  assert.deepEqual(codes(await check('{ certificate: tls/text, key: tls/none }')), [
    'error invalid-pem 1',
    'error missing-file 1',
  ]);
});

test('files are relative to the one that names them', async () => {
  await inFolder(
    {
      'sluice.yaml': 'include: teams/*.yaml',
      'teams/a.yaml': 'routes: { /a: { handler: ./a.ts } }',
      'teams/a.ts': 'export default () => new Response("a");',
    },
    async (folder) => {
      const checked = await checkFile(join(folder, 'sluice.yaml'));
      assert.deepEqual(codes(checked), []);
      assert.deepEqual(checked.codeFiles, [join(folder, 'teams/a.ts')]);
    },
  );
});

test('authorities for client certificates are read, and checked for being some', async () => {
  const own = selfSigned(['shop.example']);
  const clients = makeAuthority('Clients');
  const issuing = clients.subordinate('Issuing');
  const files = {
    'own.crt': own.certificate,
    'own.key': own.key,
    'clients.crt': clients.certificate,
    'issuing.crt': issuing.certificate,
    'broken.crt': clients.certificate.replace(/\nMII.{9}/, '\nMII'),
  };
  const check = (ca: string) =>
    checkText(
      `listen: { address: 127.0.0.1:8443, tls: { certificate: own.crt, key: own.key, clientCertificates: ${ca} } }`,
      files,
    );
  const { document } = await check('{ ca: clients.crt, mode: optional }');
  const [listener] = document?.listeners ?? [];
  assert.deepEqual(listener?.tls?.clientCertificates, { ca: clients.certificate, required: false });
  const { document: strict } = await check('{ ca: clients.crt }');
  assert.equal(strict?.listeners[0]?.tls?.clientCertificates?.required, true);
  assert.deepEqual(codes(await check('{ ca: issuing.crt }')), ['error incomplete-authorities 1']);
  assert.deepEqual(codes(await check('{ ca: broken.crt }')), ['error invalid-pem 1']);
  assert.deepEqual(codes(await check('{ ca: own.key }')), ['error invalid-pem 1']);
  assert.deepEqual(codes(await check('{ ca: none.crt }')), ['error missing-file 1']);
});
