import { HeaderBlock } from '../../src/base/headers.ts';
import { UpstreamCall } from '../../src/plan/call.ts';
import type { BalanceMethod, BalanceOptions, Endpoint, HashKey, UpstreamOptions } from '../../src/plan/upstream.ts';
import { EndpointLedger } from '../../src/runtime/endpoint-ledger.ts';
import { EndpointSet } from '../../src/runtime/endpoint-set.ts';
import type { PoolEndpoint } from '../../src/runtime/pool-endpoint.ts';
import { createNamedSlotShares, createNamedSlots, NamedSlots } from '../../src/shared-memory/named-slots.ts';
import type { Micro } from './harness.ts';

/** What does it cost to choose an endpoint for a call, to count it there, and to learn from its answer? */

const ejection: UpstreamOptions['ejection'] = {
  failures: 5,
  connect: true,
  reset: true,
  timeout: true,
  malformed: true,
  statuses: [502, 503, 504],
  successRate: { window: 10_000, minimumCalls: 50, margin: 0.25 },
  baseTime: 30_000,
  maxTime: 300_000,
  maxShare: 0.5,
};

function endpointAt(index: number): Endpoint {
  const host = `10.0.0.${index}`;
  const url = `http://${host}:8080`;
  return { url, tls: false, host, address: null, port: 8080, path: null, basePath: '', weight: 1, priority: 0 };
}

export function poolOf(count: number, balance: BalanceOptions | null, ejects: boolean): UpstreamOptions {
  const settings = { name: 'orders', owner: null, endpoints: Array.from({ length: count }, (_, i) => endpointAt(i)) };
  const options = { ...settings, maxConnections: 1_024, balance, ejection: ejects ? ejection : null, affinity: null };
  return options as unknown as UpstreamOptions;
}

function choosing(
  measure: string,
  method: BalanceMethod,
  count: number,
  { key = null, ejects = false }: { key?: HashKey | null; ejects?: boolean } = {},
): Micro {
  const shared = createNamedSlots(64, [1, 2]);
  const states = new NamedSlots({ shared, shares: createNamedSlotShares(shared), owner: 1 });
  const balance = { method, key, maxLoad: 1.25, slowStart: 0, panicThreshold: 0.3 };
  const options = poolOf(count, method === 'round-robin' ? null : balance, ejects);
  const nothing = (): never => {
    throw new Error('nobody publishes anything');
  };
  const ports = { states, secret: new Uint8Array(32), feed: nothing, report: () => undefined };
  const endpoints = new EndpointSet(options, ports, () => undefined);
  const ledger = new EndpointLedger(options, endpoints, ports);
  const headers = HeaderBlock.of([['x-tenant', 'acme-industries']]);
  const call = new UpstreamCall('GET', '/', 'shop.example', headers, null, null);
  return {
    measure,
    run(times) {
      let sum = 0;
      for (let i = 0; i < times; i++) {
        const place = endpoints.choose(call, null) as PoolEndpoint;
        ledger.enter(place, call);
        ledger.settle(place, call, 200, null, 3 + (i & 7));
        sum += place.connections;
      }
      return sum;
    },
  };
}

export const balancing: readonly Micro[] = [
  choosing('one endpoint, nothing configured', 'round-robin', 1),
  choosing('round-robin, 3 endpoints', 'round-robin', 3),
  choosing('least-request, 3 endpoints', 'least-request', 3),
  choosing('least-request with ejection, 3 endpoints', 'least-request', 3, { ejects: true }),
  choosing('least-request, 50 endpoints', 'least-request', 50),
  choosing('ewma, 3 endpoints', 'ewma', 3),
  choosing('ewma with ejection, 3 endpoints', 'ewma', 3, { ejects: true }),
  choosing('hash of a header, 3 endpoints', 'hash', 3, { key: { kind: 'header', name: 'x-tenant' } }),
  choosing('hash of a header, 50 endpoints', 'hash', 50, { key: { kind: 'header', name: 'x-tenant' } }),
];
