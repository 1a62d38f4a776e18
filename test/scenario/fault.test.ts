import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Gateway, startGateway, startUpstream } from '../harness.ts';

async function counted(gateway: Gateway, kind: string): Promise<number> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  return Number(new RegExp(`^sluice_fault_total\\{.*kind="${kind}"\\} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
}

describe('a drill', () => {
  it('is a failing service to everything around it: retries, the breaker, the fallback', async () => {
    await using orders = await startUpstream();
    await using gateway = await startGateway(`upstreams:
  orders:
    targets: [${orders.url}]
    retry: { attempts: 3, for: reset, backoff: { base: 1ms, max: 1ms }, budget: { perSecond: 100 } }
    breaker: { consecutiveFailures: 6, openFor: 1m }
routes:
  /*: { to: orders, fault: { header: x-drill, abort: { error: reset } }, fallback: { respond: { status: 200, body: instead } } }
`);
    const ask = async (drill: boolean) => {
      const response = await fetch(gateway.url, { headers: drill ? { 'x-drill': '1' } : {} });
      return await response.text();
    };
    assert.equal(await ask(false), 'upstream');
    assert.equal(await ask(true), 'instead');
    assert.deepEqual([await counted(gateway, 'abort'), orders.requests.length], [3, 1]);
    assert.equal(await ask(true), 'instead');
    // Six failures have opened the breaker, for those without the header too.
    assert.equal(await ask(false), 'instead');
    assert.deepEqual([await counted(gateway, 'abort'), orders.requests.length], [6, 1]);
  });

  it('uses up the time of the route', async () => {
    await using orders = await startUpstream();
    await using gateway = await startGateway(
      `routes: { /*: { to: ${orders.url}, timeout: 100ms, fault: { delay: 30s } } }\n`,
    );
    assert.equal((await fetch(gateway.url)).status, 504);
    assert.deepEqual([await counted(gateway, 'delay'), orders.requests.length], [1, 0]);
  });
});
