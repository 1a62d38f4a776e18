import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watchedUpstreamMetrics } from './endpoint-metrics.ts';
import { ExpositionText } from './exposition-text.ts';

test('endpoints, checks and sources', () => {
  const text = new ExpositionText();
  watchedUpstreamMetrics(text, [
    {
      upstream: 'orders',
      endpoints: [
        { url: 'http://a', isHealthy: true, isDrained: false },
        { url: 'http://b', isHealthy: false, isDrained: true },
        { url: 'http://c', isHealthy: null, isDrained: false },
      ],
      sources: [
        { source: 'dns a.b:80', trouble: null },
        { source: 'file /a', trouble: 'no endpoints' },
      ],
      counts: { goodChecks: 5, badChecks: 4, outages: 3, recoveries: 2, failedLooks: 1 },
    },
  ]);
  const samples = text
    .toString()
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  assert.deepEqual(samples, [
    'sluice_upstream_endpoint_healthy{upstream="orders",endpoint="http://a"} 1',
    'sluice_upstream_endpoint_healthy{upstream="orders",endpoint="http://b"} 0',
    'sluice_upstream_endpoints{upstream="orders"} 2',
    'sluice_upstream_endpoints_drained{upstream="orders"} 1',
    'sluice_upstream_health_checks_total{upstream="orders",result="good"} 5',
    'sluice_upstream_health_checks_total{upstream="orders",result="bad"} 4',
    'sluice_upstream_health_changes_total{upstream="orders",to="unhealthy"} 3',
    'sluice_upstream_health_changes_total{upstream="orders",to="healthy"} 2',
    'sluice_upstream_discovery_up{upstream="orders",source="dns a.b:80"} 1',
    'sluice_upstream_discovery_up{upstream="orders",source="file /a"} 0',
    'sluice_upstream_discovery_failures_total{upstream="orders"} 1',
  ]);
});
