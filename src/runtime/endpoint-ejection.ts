import { errors, type GatewayError } from '../base/gateway-error.ts';
import { formatDuration } from '../base/units.ts';
import type { EjectionOptions, SuccessRateOptions } from '../plan/upstream.ts';
import { type EndpointRecord, WindowCount } from '../shared-memory/endpoint-record.ts';
import type { PoolEndpoint } from './pool-endpoint.ts';

type Reported = Pick<PoolEndpoint, 'record' | 'endpoint'>;

/**
 * Leaves endpoints alone that fail while they are used: after so many failures in a row, or when they succeed less often
 * than their peers. The time grows with every repetition; one that has come back is on probation, on which a single
 * failure sends it away again. Its state is in shared memory: what one worker finds out, all know.
 */
export class Ejection {
  readonly #options: EjectionOptions;
  readonly #failingStatuses = new Uint8Array(1000);
  readonly #report: (line: string) => void;
  /** The last in which this worker counted; the one before is compared when it is over. */
  #window = 0;

  constructor(options: EjectionOptions, report: (line: string) => void) {
    this.#options = options;
    this.#report = report;
    for (const status of options.statuses) this.#failingStatuses[status] = 1;
  }

  /** What came of a call; true: endpoints to choose from are fewer now. `now`: milliseconds of the shared clock. */
  settled(place: Reported, status: number, error: GatewayError | null, now: number, all: readonly Reported[]): boolean {
    const record = place.record as EndpointRecord;
    const { failures, successRate } = this.#options;
    const hasFailed = error === null ? this.#failingStatuses[status] === 1 : this.#isFailure(error);
    let ejected = false;
    if (hasFailed) {
      const inARow = record.failed();
      if (record.isOnProbation) ejected = this.#eject(place, all, now, 'a failure on probation');
      else if (inARow >= failures) ejected = this.#eject(place, all, now, `${inARow} failures in a row`);
    } else {
      record.succeeded();
      if (record.isOnProbation && !record.isEjected(now)) record.endProbation();
    }
    if (successRate === null) return ejected;
    const window = Math.floor(now / successRate.window) | 0;
    // Any 5xx: a request that makes every endpoint fail leaves them equal, so here nobody can turn it against one.
    record.count(window, hasFailed || status >= 500);
    if (window === this.#window) return ejected;
    this.#window = window;
    return this.#compare(window - 1, successRate, all, now) || ejected;
  }

  #isFailure(error: GatewayError): boolean {
    const { connect, reset, timeout, malformed } = this.#options;
    switch (error) {
      case errors.upstreamConnect:
      case errors.upstreamTls:
        return connect;
      case errors.upstreamConnectTimeout:
        return connect || timeout;
      case errors.upstreamTimeout:
        return timeout;
      case errors.upstreamMalformed:
        return malformed;
      default:
        return reset;
    }
  }

  /** Whoever did worse than the others together, the worst first: there is room for some only. */
  #compare(window: number, rules: SuccessRateOptions, all: readonly Reported[], now: number): boolean {
    const total = new WindowCount();
    const counted: { place: Reported; seen: WindowCount }[] = [];
    for (const place of all) {
      const seen = new WindowCount();
      place.record?.addWindow(window, seen);
      total.calls += seen.calls;
      total.failures += seen.failures;
      if (seen.calls >= rules.minimumCalls) counted.push({ place, seen });
    }
    counted.sort((one, other) => share(other.seen) - share(one.seen));
    let ejected = false;
    for (const { place, seen } of counted) {
      const peers = { calls: total.calls - seen.calls, failures: total.failures - seen.failures };
      if (peers.calls < rules.minimumCalls || share(seen) < share(peers) + rules.margin) continue;
      if (!(place.record as EndpointRecord).judge(window)) continue;
      const [own, others] = [percent(1 - share(seen)), percent(1 - share(peers))];
      const reason = `${own} of its calls succeed, and ${others} of those of its peers`;
      if (this.#eject(place, all, now, reason)) ejected = true;
    }
    return ejected;
  }

  #eject(place: Reported, all: readonly Reported[], now: number, reason: string): boolean {
    const { baseTime, maxTime } = this.#options;
    const record = place.record as EndpointRecord;
    if (record.isEjected(now) || !this.#isAllowed(ejectedOf(all, now) + 1, all.length)) return false;
    if (!record.eject(now, baseTime, maxTime)) return false;
    // Another worker may have done the same with another endpoint in this very moment.
    if (!this.#isAllowed(ejectedOf(all, now), all.length)) {
      record.takeBack(now);
      return false;
    }
    this.#report(
      `${place.endpoint.url} is left alone for ${formatDuration(Math.round(record.ejectedUntil - now))}: ${reason}`,
    );
    return true;
  }

  /** One of several may always go: a share of a few would otherwise be none. */
  #isAllowed(ejected: number, endpoints: number): boolean {
    return endpoints > 1 && (ejected === 1 || ejected <= this.#options.maxShare * endpoints);
  }
}

function ejectedOf(all: readonly Reported[], now: number): number {
  let ejected = 0;
  for (const { record } of all) if (record?.isEjected(now)) ejected++;
  return ejected;
}

function share({ calls, failures }: WindowCount): number {
  return calls === 0 ? 0 : failures / calls;
}

function percent(value: number): string {
  return `${Math.round(value * 100)} %`;
}
