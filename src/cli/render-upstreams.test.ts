import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EndpointView, UpstreamView } from '../supervisor/upstreams/upstream-view.ts';
import { renderEndpoints } from './render-endpoints.ts';
import { renderUpstreams } from './render-upstreams.ts';

const NOW = Date.UTC(2026, 0, 1, 12);
const ago = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString();
const load = {
  inFlight: 3,
  connections: 4,
  latency: 12.34,
  ejectedFor: 0,
  ejections: 0,
  consecutiveFailures: 0,
  failures: 0,
  calls: 10,
};

function endpoint(more: Partial<EndpointView>): EndpointView {
  return {
    url: 'http://10.0.0.1:1',
    host: null,
    origin: 'static',
    weight: 1,
    priority: 0,
    health: null,
    since: null,
    lastFailure: null,
    drainedSince: null,
    load: null,
    breaker: null,
    ...more,
  };
}

function upstream(more: Partial<UpstreamView>): UpstreamView {
  return { upstream: 'orders', health: null, sources: [], endpoints: [], drainedAbsent: [], breaker: null, ...more };
}

describe('the table of endpoints', () => {
  test('a line for each, whatever is known of it', () => {
    const endpoints = [
      endpoint({}),
      endpoint({
        url: 'http://10.0.0.2:1',
        host: 'orders.test',
        origin: 'dns',
        health: 'healthy',
        since: ago(90),
        load,
      }),
      endpoint({
        url: 'http://10.0.0.3:1',
        health: 'unhealthy',
        since: ago(7_200),
        weight: 2,
        priority: 1,
        lastFailure: { at: ago(1), reason: 'status 503' },
        load: { ...load, ejectedFor: 5_000, latency: null },
      }),
      endpoint({ url: 'http://10.0.0.4:1', health: 'healthy', since: ago(0), drainedSince: ago(60) }),
    ];
    assert.deepEqual(renderUpstreams([upstream({ endpoints })], NOW).split('\n'), [
      'upstream  endpoint                         from    state                      for    weight        in flight  latency  last failed check',
      'orders    http://10.0.0.1:1                static  in service                 -      -             -          -',
      'orders    http://10.0.0.2:1 (orders.test)  dns     healthy                    1m30s  -             3          12.3 ms',
      'orders    http://10.0.0.3:1                static  unhealthy, ejected for 5s  2h     2 in group 1  3          -        1s ago: status 503',
      'orders    http://10.0.0.4:1                static  drained                    0s     -             -          -',
    ]);
  });

  test('what feeds the list, and what is wrong with it', () => {
    const source = {
      origin: 'dns',
      of: 'orders.test:80',
      endpoints: 2,
      foundAt: ago(5),
      failure: null,
      failingSince: null,
      emptySince: null,
      problems: [],
      nextLook: new Date(NOW + 25_000).toISOString(),
    } as const;
    const sources = [
      source,
      {
        ...source,
        origin: 'http',
        of: 'http://r/',
        failure: 'status 500',
        failingSince: ago(300),
        nextLook: null,
      } as const,
      { ...source, origin: 'file', of: '/a.yaml', emptySince: ago(10), problems: ['entry 2: no'] } as const,
    ];
    const text = renderUpstreams([upstream({ sources, drainedAbsent: ['http://10.0.0.9:1'] })], NOW);
    assert.deepEqual(text.trim().split('\n'), [
      'orders: dns orders.test:80: 2 endpoints, next look in 25s',
      'orders: http http://r/: cannot be asked for 5m: status 500; the 2 last known stay, looking now',
      'orders: file /a.yaml: says that there are no endpoints for 10s; 2 last known stay, next look in 25s',
      'orders: file /a.yaml: left out: entry 2: no',
      'orders: no endpoints: 503 for every call',
      'orders: http://10.0.0.9:1 is drained, and not there at present',
    ]);
  });
});

test('the part of `status`', () => {
  const counts = { goodChecks: 0, badChecks: 0, outages: 0, recoveries: 0, failedLooks: 0 };
  const at = (url: string, isHealthy: boolean | null, isDrained = false) => ({ url, isHealthy, isDrained });
  const summaries = [
    {
      upstream: 'a',
      endpoints: [at('http://a', true), at('http://b', false), at('http://c', null)],
      sources: [],
      counts,
    },
    {
      upstream: 'b',
      endpoints: [at('http://a', null, true)],
      sources: [{ source: 'dns a.b:80', trouble: 'SERVFAIL' }],
      counts,
    },
  ];
  assert.equal(renderEndpoints([]), '');
  assert.deepEqual(renderEndpoints(summaries).split('\n'), [
    'upstream  endpoints  healthy',
    'a                 3  1 of 2   unhealthy: http://b',
    'b                 1  -        drained: http://a; dns a.b:80: SERVFAIL',
  ]);
});
