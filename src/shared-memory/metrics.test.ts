import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { handRoute } from '../../test/support/plan.ts';
import { errors } from '../base/gateway-error.ts';
import { HeaderBlock } from '../base/headers.ts';
import { Exchange } from '../plan/exchange.ts';
import { bucketEnd, bucketOf, cumulativeCounts, HISTOGRAM_BUCKETS, quantile } from './histogram.ts';
import { CELL_BYTES, OTHER_ROUTES, WorkerCell } from './metrics.ts';
import { MetricsView } from './metrics-view.ts';

function exchange(series: number, status: number, startedAt: number, endedAt: number): Exchange {
  const peer = { address: '127.0.0.1', port: 1, tls: false, trusted: false, listener: 'x', certificate: null };
  const made = new Exchange(peer, new HeaderBlock(), handRoute({ series, dispatch: () => undefined }));
  made.status = status;
  made.startedAt = startedAt;
  made.endedAt = endedAt;
  return made;
}

describe('histogram', () => {
  it('puts every value into the bucket that holds it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 30 - 1 }), (microseconds) => {
        // Half a microsecond more keeps the conversion to milliseconds and back on the right side.
        const bucket = bucketOf((microseconds + 0.5) / 1000);
        assert.ok(bucket >= 0 && bucket < HISTOGRAM_BUCKETS);
        assert.ok(microseconds < bucketEnd(bucket));
        assert.ok(bucket === 0 || microseconds >= bucketEnd(bucket - 1));
        if (bucket > 0) assert.ok(bucketEnd(bucket) - bucketEnd(bucket - 1) <= Math.max(1, microseconds / 8));
      }),
    );
  });

  it('keeps values without sense and without end inside', () => {
    for (const value of [Number.NaN, -5, 0]) assert.equal(bucketOf(value), 0);
    assert.equal(bucketOf(Number.POSITIVE_INFINITY), HISTOGRAM_BUCKETS - 1);
    assert.equal(bucketOf(1e12), HISTOGRAM_BUCKETS - 1);
  });

  it('answers quantiles within a bucket of the truth', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5_000_000 }), { minLength: 1, maxLength: 300 }), (values) => {
        const counts = new Uint32Array(HISTOGRAM_BUCKETS);
        for (const value of values) {
          const bucket = bucketOf((value + 0.5) / 1000);
          counts[bucket] = (counts[bucket] ?? 0) + 1;
        }
        const sorted = values.toSorted((a, b) => a - b);
        for (const q of [0.5, 0.9, 0.99]) {
          const exact = (sorted[Math.ceil(q * sorted.length) - 1] ?? 0) / 1000;
          const answer = quantile(counts, q);
          assert.ok(Math.abs(answer - exact) <= exact / 7 + 0.001, `${answer} for ${exact}`);
        }
        const [half, all] = cumulativeCounts(counts, [2 ** 19, 2 ** 30]);
        assert.equal(all, values.length);
        assert.equal(half, values.filter((value) => value < 2 ** 19).length);
      }),
    );
    assert.equal(quantile(new Uint32Array(HISTOGRAM_BUCKETS), 0.5), 0);
  });
});

describe('metrics', () => {
  it('adds up what several workers counted', () => {
    const cells = [new WorkerCell(), new WorkerCell()];
    for (const cell of cells) {
      cell.connectionOpened();
      cell.exchangeStarted(3);
      cell.exchangeStarted(3);
      const one = exchange(3, 200, 10, 20);
      one.upstreamStartedAt = 11;
      one.upstreamEndedAt = 19;
      one.requestBytes = 5;
      one.responseBytes = 7;
      cell.exchangeEnded(one);
      cell.callStarted(1);
      cell.callEnded(1, 4);
      cell.callStarted(1);
      cell.upstreamError(1, errors.upstreamReset);
      cell.callRetried(1);
    }
    const view = new MetricsView(cells.map((cell) => cell.buffer));
    const read = view.route(3);
    assert.equal(read.inFlight, 2);
    assert.equal(read.statuses.get('200'), 2);
    assert.equal(read.count, 2);
    assert.equal(read.requestBytes, 10);
    assert.equal(read.responseBytes, 14);
    assert.equal(read.durationSum, 20);
    assert.equal(read.gatewaySum, 4);
    const upstream = view.upstream(1);
    assert.equal(upstream.calls, 4);
    assert.equal(upstream.inFlight, 2);
    assert.equal(upstream.retries, 2);
    assert.equal(upstream.errors.get('reset'), 2);
    assert.equal(view.totals().connectionsOpen, 2);
    assert.ok(Math.abs(quantile(read.duration, 0.5) - 10) < 1.5);
  });

  it('keeps counters and forgets gauges when a worker has ended', () => {
    const cell = new WorkerCell();
    cell.connectionOpened();
    cell.exchangeStarted(0);
    cell.exchangeEnded(exchange(0, 404, 0, 1));
    cell.exchangeStarted(0);
    cell.callStarted(0);
    cell.clearGauges(1, 1);
    const view = new MetricsView([cell.buffer]);
    assert.equal(view.route(0).inFlight, 0);
    assert.equal(view.route(0).statuses.get('404'), 1);
    assert.equal(view.upstream(0).inFlight, 0);
    assert.equal(view.upstream(0).calls, 1);
    assert.equal(view.totals().connectionsOpen, 0);
    assert.equal(view.totals().connections, 1);
  });

  it('leaves the life of a tunnel and an answer that never began out of the percentiles and the classes', () => {
    const cell = new WorkerCell();
    for (const status of [101, 0]) {
      cell.exchangeStarted(0);
      cell.exchangeEnded(exchange(0, status, 0, 60_000));
    }
    const read = new MetricsView([cell.buffer]).route(0);
    assert.equal(read.statuses.get('1xx'), 1);
    assert.equal(read.statuses.get('none'), 1);
    assert.deepEqual(cumulativeCounts(read.duration, [2 ** 30]), [1]);
  });

  it('counts what has no series of its own together', () => {
    const cell = new WorkerCell();
    cell.exchangeStarted(OTHER_ROUTES + 77);
    assert.equal(new MetricsView([cell.buffer]).route(OTHER_ROUTES).inFlight, 1);
    assert.ok(CELL_BYTES < 48 * 1024 * 1024);
  });
});
