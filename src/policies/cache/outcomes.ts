import { fieldName } from '../../base/headers.ts';
import type { UpstreamCall } from '../../plan/call.ts';
import type { CacheResult } from '../../plan/exchange.ts';
import type { ResponseHook } from '../../plan/policy.ts';
import { type RouteEvent, type RouteEventCounter, routeEvent } from '../../plan/route-events.ts';
import {
  type CacheOutcome,
  cacheStatusMember,
  type ForwardReason,
  withMember,
} from '../../semantics/caching/cache-status.ts';
import { ttlSeconds } from '../../semantics/caching/freshness.ts';
import type { CacheOptions } from './options.ts';
import type { StoredHead } from './stored-head.ts';

/** What this cache calls itself (RFC 9211, 2). */
export const CACHE_NAME = 'Sluice';

const cacheStatus = fieldName('cache-status');

/** What is said beside the result of a request that went on. */
export interface Went {
  readonly why: ForwardReason;
  /** Of what came back; 0: nothing. */
  readonly status: number;
  readonly isStored: boolean;
  readonly isCollapsed: boolean;
  /** Seconds; NaN: not said. */
  readonly ttl: number;
  readonly detail: string;
}

export const goesOn: Went = {
  why: 'miss',
  status: 0,
  isStored: false,
  isCollapsed: false,
  ttl: Number.NaN,
  detail: '',
};

/** Tells clients, logs and metrics what became of requests. */
export class Outcomes {
  readonly #isSaid: boolean;
  readonly #counter: RouteEventCounter;
  readonly #events: Readonly<Record<CacheResult, RouteEvent>>;

  constructor({ cacheStatus: isSaid }: CacheOptions, counter: RouteEventCounter) {
    this.#isSaid = isSaid;
    this.#counter = counter;
    const event = (result: CacheResult): RouteEvent => routeEvent('cache', result);
    this.#events = {
      hit: event('hit'),
      stale: event('stale'),
      coalesced: event('coalesced'),
      revalidated: event('revalidated'),
      miss: event('miss'),
      bypass: event('bypass'),
    };
  }

  /** Answered out of what is stored, without asking anybody. */
  hit({ exchange }: UpstreamCall, result: 'hit' | 'stale', head: StoredHead, now: number): void {
    if (exchange === null) return;
    exchange.cache = result;
    if (this.#isSaid) {
      exchange.cacheStatus = `${CACHE_NAME}; hit; ttl=${ttlSeconds(head.policy, now)}`;
    }
    this.#counter.count(exchange.route.series, this.#events[result]);
  }

  /** For the moment; what comes of it may say more. */
  went({ exchange }: UpstreamCall, went: Went): void {
    if (exchange === null || !this.#isSaid) return;
    const { why: forward, status: forwardStatus, isStored, isCollapsed, ttl, detail } = went;
    const outcome: CacheOutcome = {
      isHit: false,
      forward,
      forwardStatus,
      isStored,
      isCollapsed,
      ttl,
      key: '',
      detail,
    };
    exchange.cacheStatus = cacheStatusMember(CACHE_NAME, outcome);
  }

  /** Once for each request. */
  count({ exchange }: UpstreamCall, result: CacheResult): void {
    if (exchange === null) return;
    exchange.cache = result;
    this.#counter.count(exchange.route.series, this.#events[result]);
  }
}

/** Writes on every response what the cache did for it, and takes off what clients are not to see. */
export function responseHook({ tags, cacheStatus: isSaid }: CacheOptions): ResponseHook | null {
  const hidden = tags.hide ? tags.from.map(fieldName) : [];
  if (!isSaid && hidden.length === 0) return null;
  return {
    run(exchange, { headers }) {
      for (const name of hidden) headers.remove(name);
      if (exchange.cacheStatus !== '') {
        headers.set(cacheStatus, withMember(headers.getAll(cacheStatus), exchange.cacheStatus));
      }
      return undefined;
    },
  };
}
