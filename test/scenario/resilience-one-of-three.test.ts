import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Gateway, startGateway, until } from '../harness.ts';
import { MoodyService } from '../support/moody-service.ts';
import { OpenLoad, tally } from '../support/open-load.ts';

/**
 * One of three endpoints fails in every way there is, under load and with real processes: what its callers notice is what
 * `docs/failure-modes.md` says.
 */

const PER_SECOND = 150;
const EJECTED_AFTER = 5;
/** Requests that may be on their way to an endpoint when it is found out. */
const ON_THEIR_WAY = 40;

const EJECTION = `ejection: { failures: ${EJECTED_AFTER}, successRate: false, time: 60s, for: [connect, reset, timeout, malformed, 5xx] }`;
const RETRY = 'retry: { attempts: 3, for: [connect, reset, timeout, 500, 503], budget: 50% }';

let services: MoodyService[] = [];
let gateway: Gateway;

before(async () => {
  services = await Promise.all([MoodyService.start(), MoodyService.start(), MoodyService.start()]);
  const targets = `targets: [${services.map(({ url }) => url).join(', ')}]`;
  const upstream = (settings: string) => `{ ${targets}, timeout: { connect: 500ms, head: 400ms }, ${settings} }`;
  const names = ['killed', 'hung', 'slow', 'broken', 'unretried', 'resets', 'garbage', 'flapping'];
  gateway = await startGateway(
    `upstreams:
  killed: ${upstream(`${RETRY}, ${EJECTION}`)}
  hung: ${upstream(`${RETRY}, ${EJECTION}`)}
  slow: { ${targets}, balance: least-request }
  broken: ${upstream(`${RETRY}, ${EJECTION}`)}
  unretried: ${upstream(EJECTION)}
  resets: ${upstream(`${RETRY}, ${EJECTION}`)}
  garbage: ${upstream(`${RETRY}, ${EJECTION}`)}
  flapping: ${upstream(`${RETRY}, ejection: { failures: 3, successRate: false, time: 300ms }`)}
routes:
${names.map((name) => `  /${name}: ${name}\n`).join('')}`,
    { workers: 2 },
  );
});

after(async () => {
  await gateway?.stop();
  for (const service of services) await service[Symbol.asyncDispose]();
});

async function startLoad(name: string): Promise<OpenLoad> {
  const load = new OpenLoad(`${gateway.url}/${name}`, PER_SECOND);
  await load.ended(PER_SECOND);
  return load;
}

async function bad(mood: Parameters<MoodyService['become']>[0]) {
  const [service] = services;
  assert.ok(service !== undefined);
  await service.become(mood);
  return { service, [Symbol.asyncDispose]: () => service.become('well') };
}

/** The failing endpoint has got no more than it took to find out, and gets nothing any more. */
async function isLeftAlone(service: MoodyService, load: OpenLoad, before: number): Promise<void> {
  const found = await service.requests();
  assert.ok(found - before <= EJECTED_AFTER + ON_THEIR_WAY, `${found - before} requests before it was left alone`);
  await load.ended(PER_SECOND);
  assert.equal(await service.requests(), found);
}

function assertNoneFailed(load: OpenLoad): void {
  assert.deepEqual(Object.keys(tally(load.results)), ['200'], JSON.stringify(tally(load.results)));
}

describe('one of three endpoints', () => {
  it('killed: no idempotent request fails', async () => {
    const [service] = services;
    assert.ok(service !== undefined);
    await using load = await startLoad('killed');
    await service.kill();
    await load.ended(2 * PER_SECOND);
    await service.restart();
    await load.stop();
    assertNoneFailed(load);
  });

  it('hung: its requests go elsewhere after their time limit, and it is left alone', async () => {
    await using load = await startLoad('hung');
    await using it = await bad('hung');
    const before = await it.service.requests();
    await load.ended(2 * PER_SECOND);
    await isLeftAlone(it.service, load, before);
    await load.stop();
    assertNoneFailed(load);
  });

  it('slow: most requests go to the others', async () => {
    await using load = await startLoad('slow');
    await using it = await bad('slow');
    const [before, first] = [await it.service.requests(), load.results.length];
    await load.ended(2 * PER_SECOND);
    await load.stop();
    assertNoneFailed(load);
    const share = ((await it.service.requests()) - before) / (load.results.length - first);
    assert.ok(share < 0.2, `the slow endpoint had ${share} of the requests`);
  });

  it('answering 500: asked elsewhere where that was said, else passed on until it is left alone', async () => {
    {
      await using load = await startLoad('broken');
      await using it = await bad('broken');
      const before = await it.service.requests();
      await load.ended(PER_SECOND);
      await isLeftAlone(it.service, load, before);
      await load.stop();
      assertNoneFailed(load);
    }
    await using load = await startLoad('unretried');
    await using it = await bad('broken');
    const before = await it.service.requests();
    await load.ended(PER_SECOND);
    await isLeftAlone(it.service, load, before);
    await load.stop();
    const { 200: good = 0, 500: passed = 0, ...others } = tally(load.results);
    assert.deepEqual(others, {});
    assert.ok(
      passed >= EJECTED_AFTER && passed <= EJECTED_AFTER + ON_THEIR_WAY,
      `${passed} of ${good} were answered 500`,
    );
  });

  it('resetting in the middle of its answers: those break off, and it is left alone', async () => {
    await using load = await startLoad('resets');
    await using it = await bad('resets');
    const before = await it.service.requests();
    await load.ended(PER_SECOND);
    await isLeftAlone(it.service, load, before);
    await load.stop();
    const broken = load.results.filter(({ status }) => status !== 200);
    assert.ok(
      broken.every(({ error }) => error !== null),
      JSON.stringify(tally(load.results)),
    );
    assert.ok(broken.length >= EJECTED_AFTER && broken.length <= EJECTED_AFTER + ON_THEIR_WAY, String(broken.length));
  });

  it('answering garbage: asked elsewhere, and left alone', async () => {
    await using load = await startLoad('garbage');
    await using it = await bad('garbage');
    const before = await it.service.requests();
    await load.ended(PER_SECOND);
    await isLeftAlone(it.service, load, before);
    await load.stop();
    assertNoneFailed(load);
  });

  it('flapping: no idempotent request fails, and it takes part again when it is well', async () => {
    const [service] = services;
    assert.ok(service !== undefined);
    await using load = await startLoad('flapping');
    for (let i = 0; i < 4; i++) {
      await service.become('down');
      await sleep(250);
      await service.become('well');
      await sleep(250);
    }
    const before = await service.requests();
    await until('it is asked again', async () => (await service.requests()) > before + 10);
    await load.stop();
    assertNoneFailed(load);
  });
});
