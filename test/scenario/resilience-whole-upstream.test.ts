import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Gateway, startGateway, until } from '../harness.ts';
import { MoodyService } from '../support/moody-service.ts';
import { OpenLoad, tally } from '../support/open-load.ts';

/**
 * A whole upstream fails and comes back, under load and with real processes: what its callers and the service notice is
 * what `docs/failure-modes.md` says.
 */

const PER_SECOND = 200;
const WINDOW_MS = 2_000;
const OPEN_MS = 1_000;
const BUDGET = 0.2;

let services: MoodyService[] = [];
let gateway: Gateway;

before(async () => {
  services = await Promise.all([MoodyService.start(), MoodyService.start()]);
  const targets = `targets: [${services.map(({ url }) => url).join(', ')}]`;
  const breaker = `breaker: { errorRate: 50%, minimumCalls: 20, window: ${WINDOW_MS}ms, openFor: ${OPEN_MS}ms, maxOpenFor: ${OPEN_MS}ms, probes: 1 }`;
  gateway = await startGateway(
    `upstreams:
  guarded: { ${targets}, ${breaker} }
  sturdy: { ${targets}, ${breaker} }
  retried: { ${targets}, retry: { attempts: 3, for: [connect, reset, 500, 503], backoff: { base: 5ms, max: 10ms }, budget: { share: 20%, perSecond: 0 } } }
  everything:
    ${targets.replace(': [', ':\n      - ').replace(', ', '\n      - ').replace(']', '')}
    timeout: { connect: 200ms, head: 500ms }
    retry: { attempts: 2, for: [connect, reset, 503], budget: { share: 20%, perSecond: 0 } }
    ejection: { failures: 5, time: 1s }
    ${breaker}
routes:
  /guarded: guarded
  /sturdy: { to: sturdy, fallback: { respond: { status: 200, json: { items: [] } } } }
  /retried: retried
  /everything: { to: everything, fallback: { respond: { status: 203, body: instead } } }
`,
    { workers: 2 },
  );
});

after(async () => {
  await gateway?.stop();
  for (const service of services) await service[Symbol.asyncDispose]();
});

async function become(mood: Parameters<MoodyService['become']>[0]): Promise<void> {
  await Promise.all(services.map((service) => service.become(mood)));
}

async function arrived(): Promise<number> {
  const counts = await Promise.all(services.map((service) => service.requests()));
  return counts.reduce((sum, count) => sum + count, 0);
}

async function metric(pattern: RegExp): Promise<number> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  return [...text.matchAll(pattern)].reduce((sum, [, value]) => sum + Number(value), 0);
}

const opened = (name: string) =>
  metric(new RegExp(`^sluice_breaker_transitions_total\\{breaker="[^"]*${name}",to="open"\\} (\\d+)$`, 'gm'));

async function startLoad(name: string): Promise<OpenLoad> {
  const load = new OpenLoad(`${gateway.url}/${name}`, PER_SECOND);
  await load.ended(PER_SECOND);
  return load;
}

describe('a service that fails as a whole', () => {
  it('is left alone by its breaker, and used again as soon as it is back', async () => {
    await using load = await startLoad('guarded');
    assert.deepEqual(Object.keys(tally(load.results)), ['200']);
    await become('unavailable');
    const failedAt = performance.now();
    await until('the breaker has opened', async () => (await opened('guarded')) > 0);
    const passedOn = load.since(failedAt).filter(({ body }) => body === 'unavailable').length;
    assert.ok(passedOn <= (WINDOW_MS / 1_000 + 1) * PER_SECOND, `${passedOn} failures before it opened`);
    const before = await arrived();
    const first = load.results.length;
    await load.ended(4 * PER_SECOND);
    const asked = load.results.length - first;
    const reached = (await arrived()) - before;
    // Beside those on their way: one probe for each time that it is half open.
    assert.ok(reached <= asked / 100, `${reached} of ${asked} calls reached the service`);
    const refused = load.since(failedAt).filter(({ status }) => status === 503);
    assert.ok(refused.some(({ body }) => body.includes('circuit_open')));

    await become('well');
    const openings = await opened('guarded');
    const backAt = performance.now();
    await until('the service is used again', () => load.since(backAt).some(({ status }) => status === 200));
    await load.ended(PER_SECOND);
    await load.stop();
    // The first probe after its return closes it: within one open period, that is.
    assert.equal(await opened('guarded'), openings);
    const served = load.results.filter(({ startedAt, status }) => startedAt > backAt && status === 200);
    const since = (served[0]?.startedAt ?? 0) - backAt;
    assert.ok(
      load.since((served[0]?.endedAt ?? 0) + 50).every(({ status }) => status === 200),
      `${since} ms`,
    );
  });

  it('is not noticed by callers of a route with a fallback, but for what it says', async () => {
    await using load = await startLoad('sturdy');
    await become('down');
    const downAt = performance.now();
    await load.ended(2 * PER_SECOND);
    await become('well');
    await until('the service answers again', () => load.results.at(-1)?.fallback === undefined);
    await load.stop();
    assert.deepEqual(Object.keys(tally(load.results)), ['200']);
    const instead = load.since(downAt).filter(({ fallback }) => fallback === 'respond');
    assert.ok(instead.length > PER_SECOND);
    assert.ok(instead.every(({ body }) => body === '{"items":[]}'));
  });

  it('gets no more further attempts than the budget has, whatever fails', async () => {
    await become('unavailable');
    const before = await arrived();
    await using load = await startLoad('retried');
    await load.ended(2 * PER_SECOND);
    await load.stop();
    await become('well');
    const [calls, reached] = [load.results.length, (await arrived()) - before];
    assert.deepEqual(Object.keys(tally(load.results)), ['503']);
    assert.ok(reached <= calls * (1 + BUDGET), `${reached} attempts for ${calls} calls`);
    assert.ok(reached > calls * (1 + BUDGET / 2), `${reached} attempts for ${calls} calls`);
  });

  it('comes back from everything at once: killed, restarted, with a fallback in between', async () => {
    await using load = await startLoad('everything');
    await Promise.all(services.map((service) => service.kill()));
    const downAt = performance.now();
    await load.ended(2 * PER_SECOND);
    await Promise.all(services.map((service) => service.restart()));
    const upAt = performance.now();
    await until('the service answers again', () => load.since(upAt).some(({ status }) => status === 200));
    await until('nothing else is answered', async () => {
      const last = load.results.length;
      await load.ended(50);
      return load.results.slice(last).every(({ status }) => status === 200);
    });
    await load.stop();
    const during = tally(load.since(downAt));
    assert.deepEqual(Object.keys(during).sort(), ['200', '203'], JSON.stringify(during));
  });
});
