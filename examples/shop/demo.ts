import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { startIdentityProvider } from './identity-provider.ts';
import { startServices } from './services.ts';

/** `npm run demo`: the shop's services, an identity provider, and the gateway on `sluice.yaml` in front of them. */

const here = import.meta.dirname;
const root = resolve(here, '../..');
const config = join(here, 'sluice.yaml');
const gateway = 'http://127.0.0.1:8080';
const admin = 'http://127.0.0.1:9900';

function ready(): Promise<boolean> {
  return fetch(`${admin}/health/ready`).then(
    (response) => response.ok,
    () => false,
  );
}

async function untilReady(child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt++) {
    if (await ready()) return;
    await new Promise((wake) => setTimeout(wake, 100));
  }
  child.kill('SIGTERM');
  throw new Error('the gateway did not become ready within a minute');
}

function show(title: string, ...commands: string[]): void {
  console.log(`\n  # ${title}`);
  for (const command of commands) console.log(`  ${command}`);
}

try {
  if (await ready()) throw new Error(`a gateway answers at ${admin} already: end it first`);
  const services = await startServices();
  const provider = await startIdentityProvider();
  const child = spawn(process.execPath, [join(root, 'bin/sluice.js'), 'start', '-c', config], {
    stdio: 'inherit',
    env: { ...process.env, SLUICE_DEMO: '1' },
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill('SIGTERM'));
  child.on('exit', (code) => process.exit(code ?? 0));
  await untilReady(child);

  console.log(`\nThe shop is open.\n\n  gateway   ${gateway}\n  admin     ${admin}  (/metrics, /health/ready)`);
  console.log(`  identity  ${provider.issuer}`);
  for (const { name, url } of services) console.log(`  service   ${url}  ${name}`);
  console.log(`\n  TOKEN=${await provider.token('42')}`);
  show('routing: one catalog, two instances by weight', `curl -i ${gateway}/v1/catalog/items`);
  show(
    'HEAD follows GET; an unknown path and a wrong method are problem details',
    `curl -I ${gateway}/v1/catalog/1`,
    `curl -i ${gateway}/nowhere`,
    `curl -i -X DELETE ${gateway}/v1/catalog/1`,
  );
  show(
    'a match list: /v2/search goes to the catalog, with x-beta to the next orders service, for those who identify',
    `curl -i '${gateway}/v2/search?q=lamp'`,
    `curl -i -H 'x-beta: 1' -H "Authorization: Bearer $TOKEN" ${gateway}/v2/search`,
  );
  show('a deprecated path redirects, and says until when', `curl -i ${gateway}/legacy/catalog/items`);
  show(
    'CORS is answered here',
    `curl -i -X OPTIONS -H 'Origin: https://shop.example' -H 'Access-Control-Request-Method: GET' ${gateway}/v1/catalog/items`,
  );
  show(
    'who calls, and may they: user 42 sees user 42, with a scope and a condition; the service sees x-user-id, not the token',
    `curl -i -H "Authorization: Bearer $TOKEN" ${gateway}/v1/users/42`,
    `curl -i -H "Authorization: Bearer $TOKEN" ${gateway}/v1/users/7`,
    `curl -i ${gateway}/v1/users/42`,
    `curl -i -H "Authorization: Bearer $TOKEN.." ${gateway}/v1/users/42`,
  );
  show(
    'a partner with an API key, or a customer with a token: either way in',
    `curl -i -H "x-api-key: ${readFileSync(join(here, 'keys/acme'), 'utf8').trim()}" ${gateway}/v1/orders/7`,
  );
  show(
    'limits: ten new orders a minute, then 429 with Retry-After; RateLimit says how many are left',
    `for i in $(seq 12); do curl -s -o /dev/null -w '%{http_code} ' -X POST -H "Authorization: Bearer $TOKEN" ${gateway}/v1/orders; done; echo`,
    `curl -i -X POST -H "Authorization: Bearer $TOKEN" ${gateway}/v1/orders`,
  );
  const catalogs = services.filter(({ name }) => /^catalog-\d$/.test(name)).map(({ url }) => url);
  const orders = services.find(({ name }) => name === 'orders')?.url ?? '';
  show(
    'the cache: the second answer is a stored one, compressed once for all who take br; see Cache-Status and Age',
    `curl -s -o /dev/null -D - -H 'Accept-Encoding: br' ${gateway}/v1/catalog/deals`,
    `curl -s -o /dev/null -D - -H 'Accept-Encoding: br' ${gateway}/v1/catalog/deals`,
    'npx sluice cache list -c examples/shop/sluice.yaml',
  );
  show(
    'a catalog that fails: what is stored is still served, for the rest there is a static copy; X-Sluice-Fallback says so',
    ...catalogs.map((url) => `curl -X POST ${url}/break`),
    `curl -i --compressed -H 'Accept-Encoding: br' ${gateway}/v1/catalog/deals`,
    `curl -i ${gateway}/v1/catalog/3`,
    'npx sluice upstreams catalog -c examples/shop/sluice.yaml',
    ...catalogs.map((url) => `curl -X POST ${url}/mend`),
  );
  show(
    'a breaker: after 20 failing calls nobody asks any more for 5 s',
    `curl -X POST ${orders}/break`,
    `for i in $(seq 40); do curl -s -o /dev/null -w '%{http_code} ' -H "x-api-key: ${readFileSync(join(here, 'keys/acme'), 'utf8').trim()}" ${gateway}/v1/orders/7; done; echo`,
    'npx sluice breaker list -c examples/shop/sluice.yaml',
    `curl -X POST ${orders}/mend`,
  );
  show(
    'keys for partners, made and withdrawn while the gateway runs',
    'npx sluice keys create --consumer acme -c examples/shop/sluice.yaml',
    'npx sluice keys list -c examples/shop/sluice.yaml',
  );
  show(
    'what would happen, and why, offline',
    `npx sluice explain GET ${gateway}/v1/orders/7 -c examples/shop/sluice.yaml`,
  );
  show('numbers', `curl -s ${admin}/metrics | grep sluice_http_requests_total`);
  console.log('\nCtrl-C ends it.\n');
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
