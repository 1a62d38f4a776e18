import type { Clock } from '../../base/clock.ts';
import type { EndpointSource, UpstreamWork } from '../../compile/upstream-work.ts';
import type { FeedPublisher } from '../../plan/feed.ts';
import type { Supervised } from '../../plan/policy.ts';
import { ALL_ENDPOINTS, type Endpoint, type EndpointHealth } from '../../plan/upstream.ts';
import { addressPlace, servicePlace } from './dns-places.ts';
import type { Drains } from './drains.ts';
import { EndpointCheck } from './endpoint-check.ts';
import { filePlace } from './file-place.ts';
import { listPlace } from './list-place.ts';
import { type Probe, probeFor } from './probe.ts';
import { type LastFound, type Origin, type Place, Source } from './source.ts';
import type { Turns } from './turns.ts';
import type { UpstreamCounts } from './upstream-counts.ts';

export interface WatchPorts {
  readonly endpoints: FeedPublisher<readonly Endpoint[]>;
  readonly health: FeedPublisher<EndpointHealth>;
  readonly clock: Clock;
  readonly memory: LastFound;
  readonly drains: Drains;
  readonly turns: Turns;
  readonly counts: UpstreamCounts;
  problem(message: string): void;
}

/** An endpoint and who named it. */
export interface Member {
  readonly endpoint: Endpoint;
  readonly origin: Origin;
}

/**
 * One upstream on the main thread: which endpoints there are, which of them an operator has taken out, which are well.
 * Workers get the list without those that were taken out, and an endpoint that was just found only once it has been asked
 * how it is, so that nobody meets one that has not started yet.
 */
export class UpstreamWatch implements Supervised {
  readonly work: UpstreamWork;
  readonly settled: Promise<void>;
  readonly sources: readonly Source[];
  #members: ReadonlyMap<string, Member> = new Map();
  readonly #ports: WatchPorts;
  readonly #probe: Probe | null;
  readonly #checks = new Map<string, EndpointCheck>();
  /** As workers know it; as long as nothing was published, that is what is configured. */
  #published: readonly Endpoint[];
  #closed = false;

  constructor(work: UpstreamWork, ports: WatchPorts) {
    this.work = work;
    this.#ports = ports;
    this.#probe = probeFor(work);
    this.#published = work.endpoints;
    this.sources = work.sources.map((source) => {
      const key = JSON.stringify(source);
      return new Source(placeOf(source), key, ports.memory, ports.clock, {
        changed: () => this.update(),
        problem: (message) => ports.problem(message),
        failed: () => void ports.counts.failedLooks++,
      });
    });
    this.update();
    this.settled = this.#settle();
  }

  get members(): ReadonlyMap<string, Member> {
    return this.#members;
  }

  /** Those that calls may go to, well or not. */
  get inService(): readonly Endpoint[] {
    return this.#published;
  }

  check(url: string): EndpointCheck | null {
    return this.#checks.get(url) ?? null;
  }

  /** After a change of what there is, or of what is drained. */
  update(): void {
    if (this.#closed) return;
    const members = this.#membersNow();
    this.#members = members;
    this.#checkOnly(members);
    this.#publish();
  }

  close(): void {
    this.#closed = true;
    for (const source of this.sources) source.close();
    for (const check of this.#checks.values()) check.close();
  }

  async #settle(): Promise<void> {
    await Promise.all(this.sources.map(({ settled }) => settled));
    await Promise.all(Array.from(this.#checks.values(), ({ first }) => first));
  }

  #membersNow(): Map<string, Member> {
    const members = new Map<string, Member>();
    for (const endpoint of this.work.endpoints) members.set(endpoint.url, { endpoint, origin: 'static' });
    for (const { endpoints, place } of this.sources) {
      for (const endpoint of endpoints) {
        if (!members.has(endpoint.url)) members.set(endpoint.url, { endpoint, origin: place.origin });
      }
    }
    return members;
  }

  #checkOnly(members: ReadonlyMap<string, Member>): void {
    const { health } = this.work;
    if (health === null || this.#probe === null) return;
    const gone = [...this.#checks.keys()].filter((url) => !members.has(url));
    for (const url of gone) {
      this.#checks.get(url)?.close();
      this.#checks.delete(url);
    }
    if (gone.length > 0) this.#ports.health.update(gone.map((url) => [url, undefined]));
    const { clock, turns } = this.#ports;
    for (const [url, { endpoint }] of members) {
      const known = this.#checks.get(url);
      if (known !== undefined) known.endpoint = endpoint;
      else
        this.#checks.set(url, new EndpointCheck(endpoint, health, { probe: this.#probe, clock, turns }, this.#outlet));
    }
  }

  readonly #outlet = {
    checked: (_check: EndpointCheck, isGood: boolean): void => {
      if (isGood) this.#ports.counts.goodChecks++;
      else this.#ports.counts.badChecks++;
    },
    changed: (check: EndpointCheck, isFirst: boolean): void => {
      const { health, endpoint, lastFailure } = check;
      if (health === null) return;
      const { counts, problem } = this.#ports;
      this.#ports.health.update([[endpoint.url, health]]);
      if (health.isHealthy && !isFirst) {
        counts.recoveries++;
        problem(`${endpoint.url} is healthy again`);
      } else if (!health.isHealthy) {
        counts.outages++;
        problem(`${endpoint.url} is unhealthy: ${lastFailure?.reason}`);
      }
      if (isFirst) this.#publish();
    },
  };

  #publish(): void {
    const { drains, endpoints } = this.#ports;
    const { name } = this.work;
    const offered: Endpoint[] = [];
    let waiting = false;
    for (const { endpoint, origin } of this.#members.values()) {
      if (drains.since(name, endpoint.url) !== null) continue;
      const isNew = origin !== 'static' && this.check(endpoint.url)?.health === null;
      if (isNew) waiting = true;
      else offered.push(endpoint);
    }
    // Those that went may still answer, and those that came are about to say whether they do.
    if (offered.length === 0 && waiting) return;
    if (JSON.stringify(offered) === JSON.stringify(this.#published)) return;
    this.#published = offered;
    endpoints.replace([[ALL_ENDPOINTS, offered]]);
  }
}

function placeOf(source: EndpointSource): Place {
  switch (source.kind) {
    case 'dns':
      return addressPlace(source);
    case 'srv':
      return servicePlace(source);
    case 'file':
      return filePlace(source);
    case 'http':
      return listPlace(source);
  }
}
