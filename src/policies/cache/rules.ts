import { fieldName } from '../../base/headers.ts';
import type { CacheRules } from '../../semantics/caching/policy.ts';
import type { VaryRules } from '../../semantics/caching/vary.ts';
import type { CacheOptions } from './options.ts';
import { CACHE_NAME } from './outcomes.ts';

export function varyRulesOf({ vary }: CacheOptions): VaryRules {
  return {
    codings: vary.encodings === 'exact' ? null : vary.encodings,
    languages: vary.languages ?? null,
    ignored: vary.ignore.length === 0 ? null : new Set(vary.ignore),
  };
}

/**
 * How responses are judged. What a route says about lifetimes is about responses that are the same for everybody. To a
 * call that tells the service who asks, the response is for everybody only if it says so itself, and for how long; to
 * one with cookies of unknown meaning, if it says at least for how long.
 */
export class RulesFor {
  readonly #usual: CacheRules;
  readonly #told: CacheRules;
  readonly #cookies: CacheRules;

  constructor(options: CacheOptions, vary: VaryRules) {
    const { heuristic, override, setCookie, staleIfError, staleWhileRevalidate, targets, ttl, byStatus } = options;
    this.#usual = {
      name: CACHE_NAME,
      targets: targets.map(fieldName),
      ttl: ttl ?? -1,
      ttlByStatus: byStatus === undefined ? null : new Map(byStatus),
      override,
      heuristicShare: heuristic === false ? 0 : heuristic.share,
      heuristicMost: heuristic === false ? 0 : heuristic.most,
      staleWhileRevalidate,
      staleIfError,
      authorized: 'yes',
      setCookie,
      vary,
    };
    const explicit = { ttl: -1, ttlByStatus: null, override: false, heuristicShare: 0 };
    this.#told = { ...this.#usual, ...explicit, authorized: 'origin' };
    this.#cookies = { ...this.#usual, ...explicit };
  }

  of(isTold: boolean, hasCookies: boolean): CacheRules {
    if (isTold) return this.#told;
    return hasCookies ? this.#cookies : this.#usual;
  }
}
