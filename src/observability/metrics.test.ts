import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errors } from '../base/gateway-error.ts';
import { HeaderBlock } from '../base/headers.ts';
import { Exchange } from '../plan/exchange.ts';
import type { Route } from '../plan/plan.ts';
import { WorkerCell } from '../shared-memory/metrics.ts';
import { MetricsView } from '../shared-memory/metrics-view.ts';
import { type ProcessReading, renderMetrics } from './metrics.ts';

const reading: ProcessReading = {
  version: '1.2.3',
  node: 'v26.0.0',
  startedAt: 1_000,
  cpuSeconds: 1.5,
  residentBytes: 1024,
  ready: true,
  draining: false,
  workers: [{ id: 1, heapUsed: 10, heapLimit: 100, loopDelay: 2, loopUse: 0.5, overload: 0 }],
  replaced: { crashed: 1 },
  limits: {
    slots: 1024,
    evicted: 5,
    overflowed: 6,
    contended: 0,
    limits: [{ scope: 'gateway web', limit: 'flood', allowed: 7, limited: 8, reported: 0 }],
  },
  limitStore: null,
  usage: { isKept: false, evicted: 9, uncounted: 4 },
  cache: {
    bytes: 1_048_576,
    filling: 0,
    capacity: 67_108_864,
    entries: 12,
    flights: 0,
    hits: 90,
    misses: 10,
    followers: 3,
    admissions: 15,
    evictions: 2,
    purged: 1,
    rejected: 4,
    outdated: 0,
    broken: 0,
    isShared: true,
  },
  upstreams: [],
  breakers: [],
  retryBudgets: [],
  config: { version: 3, hash: 'abc', loadedAt: 2_000, lastReloadFailed: true, reloads: 2, failedReloads: 1 },
};

function exchange(series: number, status: number, milliseconds: number): Exchange {
  const peer = { address: '', port: 0, tls: false, trusted: false, listener: '', certificate: null };
  const made = new Exchange(peer, new HeaderBlock(), { series } as Route);
  made.status = status;
  made.endedAt = milliseconds;
  return made;
}

describe('metrics text', () => {
  const cell = new WorkerCell();
  for (const [status, milliseconds] of [
    [200, 1],
    [200, 3],
    [418, 70_000_000],
  ] as const) {
    cell.exchangeStarted(0);
    cell.exchangeEnded(exchange(0, status, milliseconds));
  }
  cell.callStarted(0);
  cell.callEnded(0, 2);
  cell.upstreamError(0, errors.upstreamConnect);
  cell.waiting(0, 1);
  cell.waiting(-1, 2);
  cell.overloaded(0);
  cell.upstreamLimit(0, 83);
  cell.shed(2);
  cell.connectionRefused();
  const routes = [
    { series: 0, gateway: 'web', route: 'GET "/a"\\b\n' },
    { series: 1, gateway: 'web', route: 'unused' },
  ];
  const text = renderMetrics(new MetricsView([cell.buffer]), routes, [{ series: 0, upstream: 'users' }], reading);
  const lines = text.split('\n');

  it('counts by status and class, with labels escaped', () => {
    const labels = 'gateway="web",route="GET \\"/a\\"\\\\b\\n"';
    assert.ok(lines.includes(`sluice_http_requests_total{${labels},code="200",code_class="2xx"} 2`));
    assert.ok(lines.includes(`sluice_http_requests_total{${labels},code="4xx",code_class="4xx"} 1`));
  });

  it('leaves out what never counted', () => {
    assert.ok(!text.includes('unused'));
  });

  it('makes histograms that rise to their count', () => {
    const buckets = lines.filter((line) => line.startsWith('sluice_http_request_duration_seconds_bucket'));
    const counts = buckets.map((line) => Number(line.split(' ').at(-1)));
    assert.deepEqual(
      counts,
      counts.toSorted((a, b) => a - b),
    );
    assert.match(buckets.at(-1) ?? '', /le="\+Inf"\} 3$/);
    assert.match(buckets.find((line) => line.includes('le="0.001024"')) ?? '', / 1$/);
    assert.match(buckets.find((line) => line.includes('le="0.004096"')) ?? '', / 2$/);
  });

  it('says what the process is like', () => {
    for (const line of [
      'sluice_config_last_reload_failed 1',
      'sluice_config_info{hash="abc"} 1',
      'sluice_workers_replaced_total{reason="crashed"} 1',
      'sluice_worker_event_loop_delay_seconds{worker="1"} 0.002',
      'sluice_upstream_errors_total{upstream="users",kind="connect"} 1',
      'sluice_upstream_requests_total{upstream="users"} 1',
      'sluice_upstream_waiting{upstream="users"} 1',
      'sluice_upstream_overloaded_total{upstream="users"} 1',
      'sluice_upstream_concurrency_limit{upstream="users"} 83',
      'sluice_waiting 2',
      'sluice_overloaded_total 0',
      'sluice_shed_total{priority="low"} 1',
      'sluice_client_connections_refused_total 1',
      'sluice_worker_overload_level{worker="1"} 0',
    ]) {
      assert.ok(lines.includes(line), line);
    }
  });

  it('is well formed: every sample belongs to the family above it, no family comes twice', () => {
    const families = new Set<string>();
    let family = '';
    for (const line of lines.slice(0, -1)) {
      const declared = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line);
      if (declared !== null) {
        family = declared[1] ?? '';
        assert.ok(!families.has(family), family);
        families.add(family);
      } else if (!line.startsWith('# HELP ')) {
        assert.match(line, /^[a-z_]+(\{([a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+\})? [0-9.e+-]+$/);
        assert.ok(line.startsWith(family), `${line} after ${family}`);
      }
    }
    assert.equal(lines.at(-1), '');
  });
});
