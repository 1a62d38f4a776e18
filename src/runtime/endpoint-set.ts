import { sharedClock } from '../base/shared-clock.ts';
import { wheel } from '../base/timers.ts';
import type { UpstreamCall } from '../plan/call.ts';
import type { Feed } from '../plan/feed.ts';
import {
  ALL_ENDPOINTS,
  DEFAULT_PANIC_THRESHOLD,
  ENDPOINTS_FEED,
  type Endpoint,
  type EndpointHealth,
  HEALTH_FEED,
  type UpstreamOptions,
} from '../plan/upstream.ts';
import type { Random } from './balance/balancer.ts';
import { balancerFor } from './balance/balancer-for.ts';
import { HashKeys } from './balance/hash-key.ts';
import { EndpointGroup, shareOut } from './endpoint-groups.ts';
import { isSamePlace, PoolEndpoint } from './pool-endpoint.ts';
import type { PoolPorts } from './pool-ports.ts';

/** How often what other workers have found out is looked at. */
const LOOK_MS = 50;
/** Of its weight, for an endpoint that has just come. */
const LEAST_GROWTH = 0.1;
const HASH_RANGE = 0x1_0000_0000;

/**
 * The endpoints of an upstream in one worker: which there are, which of them are well, and which one is next. Everything
 * that changes them is looked at when a call is placed; while nothing has, that takes three comparisons.
 */
export class EndpointSet {
  all: readonly PoolEndpoint[] = [];
  readonly #options: UpstreamOptions;
  readonly #ports: PoolPorts | null;
  readonly #random: Random;
  readonly #keys: HashKeys | null;
  readonly #listed: Feed<readonly Endpoint[]> | null;
  readonly #health: Feed<EndpointHealth> | null;
  readonly #leaves: (place: PoolEndpoint) => void;
  readonly #hasRecords: boolean;
  readonly #isWatching: boolean;
  readonly #isPolling: boolean;
  readonly #panicThreshold: number;
  readonly #slowStart: number;
  #listedVersion = 0;
  #healthVersion = 0;
  #lookAt = Number.POSITIVE_INFINITY;
  #groups: readonly EndpointGroup[] = [];
  /** Groups that take a part of the calls. */
  #carrying: readonly EndpointGroup[] = [];
  /** Open, and in none of those: for calls that find no place there. */
  #spare: readonly PoolEndpoint[] = [];

  /** `leaves`: an endpoint is no longer one of them. */
  constructor(
    options: UpstreamOptions,
    ports: PoolPorts | null,
    leaves: (place: PoolEndpoint) => void,
    random: Random = Math.random,
  ) {
    const { balance, ejection, owner } = options;
    this.#options = options;
    this.#ports = ports;
    this.#random = random;
    this.#leaves = leaves;
    this.#slowStart = balance?.slowStart ?? 0;
    this.#panicThreshold = balance?.panicThreshold ?? DEFAULT_PANIC_THRESHOLD;
    this.#isPolling = ejection !== null || this.#slowStart > 0;
    this.#hasRecords = this.#isPolling || (balance !== null && balance.method !== 'round-robin');
    if (this.#hasRecords && ports === null) throw new Error(`the pool of ${options.name} needs its ports`);
    this.#keys = balance?.key == null ? null : new HashKeys(balance.key, random);
    this.#listed = owner === null || ports === null ? null : ports.feed(owner, ENDPOINTS_FEED);
    this.#health = owner === null || ports === null ? null : ports.feed(owner, HEALTH_FEED);
    this.#isWatching = this.#isPolling || this.#listed !== null;
    this.#take(this.#listed?.get(ALL_ENDPOINTS) ?? options.endpoints, true);
    this.look();
  }

  /** Null: there is none, or none that takes it. `bound`: where the call's affinity wants it to go. */
  choose(call: UpstreamCall, bound: PoolEndpoint | null): PoolEndpoint | null {
    if (this.#isWatching && this.isStale) this.look();
    const carrying = this.#carrying;
    if (carrying.length === 0) return null;
    let refused: PoolEndpoint | null = null;
    if (bound?.isOpen) {
      if (this.#suits(bound, call)) return bound;
      if (call.guard !== null) refused = bound;
    }
    const group = carrying.length === 1 ? (carrying[0] as EndpointGroup) : this.#groupFor(call, carrying);
    const chosen = group.balancer.choose(call, sharedClock());
    if (chosen !== refused && this.#suits(chosen, call)) return chosen;
    return this.#other(call, chosen, refused, null);
  }

  /** Anywhere else; null: nowhere. */
  elsewhere(call: UpstreamCall, tried: readonly PoolEndpoint[]): PoolEndpoint | null {
    if (this.#isWatching && this.isStale) this.look();
    return this.#other(call, null, null, tried);
  }

  /** There are some, and one of them has room: if none takes the call, its guard does not let it. */
  get hasRoom(): boolean {
    for (const place of this.all) if (place.isOpen && place.hasRoom(this.#options.maxConnections)) return true;
    return false;
  }

  get isEmpty(): boolean {
    return this.#carrying.length === 0;
  }

  get isStale(): boolean {
    return (
      (this.#listed !== null && this.#listed.version !== this.#listedVersion) ||
      (this.#health !== null && this.#health.version !== this.#healthVersion) ||
      wheel.now >= this.#lookAt
    );
  }

  find(url: string): PoolEndpoint | null {
    for (const place of this.all) if (place.endpoint.url === url) return place;
    return null;
  }

  /** What the feeds and other workers say. */
  look(): void {
    if (this.#listed !== null && this.#listed.version !== this.#listedVersion) {
      this.#listedVersion = this.#listed.version;
      const listed = this.#listed.get(ALL_ENDPOINTS);
      // Without an entry nobody looks for endpoints any more: those there are stay.
      if (listed !== undefined) this.#take(listed, false);
    }
    const now = sharedClock();
    if (this.#health !== null && this.#health.version !== this.#healthVersion) this.#hear(this.#health, now);
    for (const place of this.all) place.isOpen = place.isWell && !(place.record?.isEjected(now) ?? false);
    this.#carrying = shareOut(this.#groups, this.#panicThreshold);
    for (const group of this.#carrying) {
      this.#grow(group, now);
      group.balancer.update(group.members);
      for (const place of group.members) place.isOpen = true;
    }
    const carried = new Set(this.#carrying.flatMap(({ members }) => members));
    this.#spare = this.#groups.flatMap(({ all }) => all.filter((place) => place.isOpen && !carried.has(place)));
    if (this.#isPolling) this.#lookAt = wheel.now + LOOK_MS;
  }

  close(): void {
    for (const place of this.all) place.retire();
  }

  #suits(place: PoolEndpoint, call: UpstreamCall): boolean {
    if (!place.hasRoom(this.#options.maxConnections)) return false;
    if (call.avoided !== null && isAvoided(place, call.avoided)) return false;
    return call.guard === null || call.guard.admits(place.endpoint);
  }

  /**
   * `chosen` did not suit; of the others whichever chance names, then those to be avoided. Nobody's guard is asked twice
   * about one endpoint: `refused` and `chosen` it was asked about, unless it was full or avoided.
   */
  #other(
    call: UpstreamCall,
    chosen: PoolEndpoint | null,
    refused: PoolEndpoint | null,
    tried: readonly PoolEndpoint[] | null,
  ): PoolEndpoint | null {
    const { avoided, guard } = call;
    for (const { members } of this.#carrying) {
      const found = this.#oneOf(members, call, chosen, refused, tried);
      if (found !== null) return found;
    }
    const found = this.#oneOf(this.#spare, call, chosen, refused, tried);
    if (found !== null || avoided === null) return found;
    for (const place of this.all) {
      if (!place.isOpen || !isAvoided(place, avoided) || (tried?.includes(place) ?? false)) continue;
      if (!place.hasRoom(this.#options.maxConnections)) continue;
      if (guard === null || guard.admits(place.endpoint)) return place;
    }
    return null;
  }

  #oneOf(
    places: readonly PoolEndpoint[],
    call: UpstreamCall,
    chosen: PoolEndpoint | null,
    refused: PoolEndpoint | null,
    tried: readonly PoolEndpoint[] | null,
  ): PoolEndpoint | null {
    const { length } = places;
    const start = Math.floor(this.#random() * length);
    for (let i = 0; i < length; i++) {
      const place = places[(start + i) % length] as PoolEndpoint;
      if (place === chosen || place === refused || (tried?.includes(place) ?? false)) continue;
      if (this.#suits(place, call)) return place;
    }
    return null;
  }

  #groupFor(call: UpstreamCall, carrying: readonly EndpointGroup[]): EndpointGroup {
    // A key goes to the same group each time.
    let point = this.#keys === null ? this.#random() : this.#keys.of(call) / HASH_RANGE;
    for (const group of carrying) {
      point -= group.load;
      if (point < 0) return group;
    }
    return carrying[carrying.length - 1] as EndpointGroup;
  }

  /** Takes a list over: what stays keeps its connections. */
  #take(endpoints: readonly Endpoint[], isFirst: boolean): void {
    const before = new Map(this.all.map((place) => [place.endpoint.url, place]));
    const after = new Map<string, PoolEndpoint>();
    const now = sharedClock();
    for (const endpoint of endpoints) {
      if (after.has(endpoint.url)) continue;
      const known = before.get(endpoint.url);
      if (known !== undefined && isSamePlace(known.endpoint, endpoint)) {
        known.endpoint = endpoint;
        known.weight = endpoint.weight;
        after.set(endpoint.url, known);
        before.delete(endpoint.url);
      } else {
        after.set(endpoint.url, this.#open(endpoint, now, isFirst));
      }
    }
    this.all = [...after.values()];
    this.#group();
    // What comes has to be told from what was well before.
    this.#healthVersion = -1;
    for (const place of before.values()) {
      place.isLeaving = true;
      place.isOpen = false;
    }
    for (const place of before.values()) this.#leaves(place);
  }

  #open(endpoint: Endpoint, now: number, isFirst: boolean): PoolEndpoint {
    const place = new PoolEndpoint(
      endpoint,
      this.#options.name,
      this.#hasRecords ? (this.#ports?.states ?? null) : null,
    );
    const isNew = place.record?.open(now) ?? true;
    if (!isNew && !isFirst) place.record?.restart(now);
    return place;
  }

  #group(): void {
    const byPriority = Map.groupBy(this.all, ({ endpoint }) => endpoint.priority);
    const before = new Map(this.#groups.map((group) => [group.priority, group]));
    this.#groups = [...byPriority]
      .sort(([one], [other]) => one - other)
      .map(([priority, places]) => {
        const group =
          before.get(priority) ??
          new EndpointGroup(priority, balancerFor(this.#options.balance, this.#keys, this.#random));
        group.all = places;
        return group;
      });
  }

  #hear(health: Feed<EndpointHealth>, now: number): void {
    this.#healthVersion = health.version;
    // The feed speaks of the time of day, which may jump; how long ago it was hardly does.
    const today = Date.now();
    for (const place of this.all) {
      const heard = health.get(place.endpoint.url);
      place.isWell = heard?.isHealthy ?? true;
      place.wellSince = heard === undefined ? 0 : now - Math.max(0, today - heard.since);
    }
  }

  /** Who has come, or come back, gets its weight bit by bit. If all have, as after a start, they are equals. */
  #grow({ members }: EndpointGroup, now: number): void {
    if (this.#slowStart === 0) return;
    let greatest = LEAST_GROWTH;
    for (const place of members) {
      const since = Math.max(place.wellSince, place.record?.since ?? 0);
      place.growth = Math.min(1, Math.max(LEAST_GROWTH, (now - since) / this.#slowStart));
      greatest = Math.max(greatest, place.growth);
    }
    for (const place of members) {
      place.growth /= greatest;
      place.weight = place.endpoint.weight * place.growth;
    }
  }
}

function isAvoided({ endpoint }: PoolEndpoint, avoided: readonly Endpoint[]): boolean {
  for (const { url } of avoided) if (url === endpoint.url) return true;
  return false;
}
