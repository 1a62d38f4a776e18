import { createHash } from 'node:crypto';
import type { Closable } from '../plan/policy.ts';
import type { ResponsePurge } from '../plan/response-store.ts';
import type { SharedResponse, SharedResponses } from '../plan/shared-responses.ts';
import { LimitStoreCell } from '../shared-memory/limit-store.ts';
import { ClusterRoutes } from './cluster-routes.ts';
import type { KnownPurges } from './known-purges.ts';
import { probeCommand } from './limit-script.ts';
import { Inquiry } from './question-deadlines.ts';
import type { LaneOwner, RedisLane } from './redis-lane.ts';
import { type RedisRoutes, SingleRoute } from './redis-routes.ts';
import { RespError, respCommand } from './resp.ts';
import { decodeShared, encodeShared } from './response-value.ts';
import type { RedisSettings, SharedCacheSettings } from './settings.ts';

const TICK_MS = 1000;
/** Bytes that may be on their way to the servers: past them nothing more is kept. */
const MAX_SENDING = 8 * 1024 * 1024;

export interface RedisResponsesOptions {
  readonly settings: RedisSettings;
  readonly cache: SharedCacheSettings;
  readonly purges: KnownPurges;
  announce(purge: ResponsePurge): void;
  /** One line for each outage and each recovery. */
  problem(message: string): void;
}

/** Stored responses in a Redis, one key each, with connections of their own: a large answer holds up nothing else. */
export class RedisResponses implements SharedResponses, Closable {
  readonly isKept = true;
  readonly maxEntry: number;
  readonly #options: RedisResponsesOptions;
  readonly #routes: RedisRoutes;
  readonly #ticking: NodeJS.Timeout;
  #failure: string | null = null;
  #sending = 0;
  #closed = false;

  constructor(options: RedisResponsesOptions) {
    const { settings, cache } = options;
    this.#options = options;
    this.maxEntry = cache.maxObject;
    const owner: LaneOwner = {
      settings,
      // Nobody reads it: what counts is told by the routes' own counters.
      cell: new LimitStoreCell(),
      probe: probeCommand(settings.prefix),
      changed: (lane) => this.#changed(lane),
      decideHere: () => undefined,
      unheard: () => undefined,
      overdrawn: () => undefined,
      redirect: () => false,
    };
    this.#routes = settings.kind === 'cluster' ? new ClusterRoutes(owner) : new SingleRoute(owner);
    this.#ticking = setInterval(() => this.#routes.tick(), TICK_MS);
    this.#ticking.unref();
  }

  get known(): string {
    return this.#options.purges.latest;
  }

  find(key: string, found: (response: SharedResponse | null) => void): void {
    const { purges } = this.#options;
    const name = this.#nameOf(key);
    const lane = this.#laneFor(name);
    if (lane === null || !purges.areComplete) {
      found(null);
      return;
    }
    const inquiry = new Inquiry((reply) => {
      let response: SharedResponse | null = null;
      if (typeof reply === 'string' && reply !== 'late' && reply !== 'lost') {
        response = decodeShared(Buffer.from(reply, 'latin1'));
      }
      if (reply !== 'late' && reply !== 'lost') lane.succeeded();
      if (reply instanceof RespError) this.#refused(reply);
      // Purges may have come while it was on its way.
      found(response === null || !purges.areComplete || purges.hasPurged(response) ? null : response);
    });
    lane.send(respCommand('GET', name), inquiry);
  }

  keep(key: string, response: SharedResponse, lifetime: number): void {
    const { purges, cache } = this.#options;
    const name = this.#nameOf(key);
    const lane = this.#laneFor(name);
    if (lane === null || this.#sending > MAX_SENDING || !purges.areComplete || purges.hasPurged(response)) return;
    const value = encodeShared(response);
    const milliseconds = Math.max(1, Math.min(Math.floor(lifetime), cache.maxLifetime));
    this.#sending += value.length;
    const inquiry = new Inquiry((reply) => {
      this.#sending -= value.length;
      if (reply !== 'late' && reply !== 'lost') lane.succeeded();
      if (reply instanceof RespError) this.#refused(reply);
    });
    lane.send(respCommand('SET', name, value.latin1Slice(), 'PX', String(milliseconds)), inquiry);
  }

  announce(purge: ResponsePurge): void {
    this.#options.announce(purge);
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#ticking);
    this.#routes.close();
  }

  /** Keys may be long, and carry what not everybody who looks into the store should see. */
  #nameOf(key: string): string {
    return `${this.#options.settings.prefix}:response:${createHash('sha256').update(key).digest('base64url')}`;
  }

  #laneFor(name: string): RedisLane | null {
    if (this.#closed) return null;
    const lane = this.#routes.laneFor(this.#routes.slotOf(name));
    return lane.isReady ? lane : null;
  }

  /** Another server has the key by now: the next one finds it there. */
  #refused({ kind }: RespError): void {
    if (kind === 'MOVED' || kind === 'ASK') this.#routes.moved();
  }

  #changed(lane: RedisLane | null): void {
    if (this.#closed || lane === null) return;
    const { reason } = lane;
    if (reason !== null && this.#failure === null) {
      this.#options.problem(`stored responses: ${reason}; meanwhile each machine asks for its own`);
    }
    if (lane.state === 'closed' && this.#failure !== null) {
      this.#options.problem('stored responses: the shared store works again');
    }
    if (reason !== null || lane.state === 'closed') this.#failure = reason;
  }
}
