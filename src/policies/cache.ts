import { fieldName } from '../base/headers.ts';
import { formatDuration } from '../base/units.ts';
import type { Condition } from '../plan/condition.ts';
import { definePolicy, type Fact, type Hooks } from '../plan/policy.ts';
import { CacheKey } from './cache/cache-key.ts';
import { CacheLayer } from './cache/cache-layer.ts';
import { explainCache } from './cache/explain.ts';
import { Failures } from './cache/failures.ts';
import { type CacheOptions, cacheOptions } from './cache/options.ts';
import { Outcomes, responseHook } from './cache/outcomes.ts';
import { PurgeRequests } from './cache/purge-requests.ts';
import { RecentKeys } from './cache/recent.ts';
import { RulesFor, varyRulesOf } from './cache/rules.ts';
import { ServiceRequest } from './cache/service-request.ts';
import { sharing } from './cache/sharing.ts';
import { StoredHeads } from './cache/stored-head.ts';
import { TagReader } from './cache/tags.ts';
import { type Telling, Told, tellingOf } from './cache/told.ts';
import { Variants } from './cache/variants.ts';

/** How long a key is remembered whose response could not be stored, and how many of them. */
const UNSTORABLE_MS = 10_000;
const MAX_UNSTORABLE = 10_000;

interface Placed extends CacheOptions {
  readonly telling: Telling;
  readonly isConditional: boolean;
  /** The gateway itself answers here: there is nothing to keep. */
  readonly isIdle: boolean;
  /** It was written for this very route. */
  readonly isOwn: boolean;
  /** Written for many, and on this one nobody has to say who they are. */
  readonly isForAnybody: boolean;
}

/** One for all routes and plans of a worker. */
const heads = new StoredHeads();

export const cache = definePolicy<CacheOptions, Placed>({
  name: 'cache',
  summary:
    'Keeps responses, in one memory for all workers, and answers from them: as a shared cache by RFC 9111, within what is said here. Requests for the same are sent to the service once. What comes of a call that told the service who asks is for that caller, unless the response or the route says otherwise.',
  schema: cacheOptions,
  examples: [
    { title: 'As the service says', options: true },
    {
      title:
        'A minute where the service says nothing, half a minute more while it is refreshed, an hour while it is down',
      options: { ttl: '60s', staleWhileRevalidate: '30s', staleIfError: '1h', key: { headers: 'accept-language' } },
    },
    {
      title: 'Parameters that count, and errors for a short while',
      options: { ttl: '5m', key: { query: ['id', 'page'] }, byStatus: { 404: '10s' }, cookies: 'remove' },
    },
    {
      title: 'For each caller alone, and not for those who debug',
      options: { ttl: '10s', key: { identity: true }, bypass: "'x-debug' in header" },
    },
    {
      title: 'Purged by tag when the shop says so',
      options: { ttl: '1d', tags: { hide: true }, purge: { when: "identity.consumer == 'shop'" } },
    },
  ],
  place: (options, placement) => ({
    ...options,
    telling: tellingOf(placement),
    isConditional: placement.isConditional,
    isIdle: placement.target === 'other',
    isOwn: placement.isOwn([]),
    isForAnybody: placement.isPublic && !placement.isOwn([]),
  }),
  compile(options, env) {
    const { purge, coalesce, methods, maxObject, clientControl, refreshEarly } = options;
    if (options.isIdle) {
      const message = 'the gateway itself answers here, and nothing is kept of that';
      if (options.isOwn) env.problem('warning', 'unused-setting', message, 'Remove it.', []);
      return null;
    }
    const { responses: store, sharedResponses: shared } = env;
    const conditions = (texts: readonly string[], at: readonly string[]): Condition[] =>
      texts.map((text, index) => env.condition(text, texts.length === 1 ? at : [...at, index]));
    const bypass = conditions(options.bypass, ['bypass']);
    const noStore = conditions(options.noStore, ['noStore']);
    const vary = varyRulesOf(options);
    const key = new CacheKey(options, options.isConditional, env);
    const told = new Told(options, options.telling, env);
    const rules = new RulesFor(options, vary);
    const service = new ServiceRequest(options, vary, env);
    const tags = new TagReader(options);
    const when = purge === false ? [] : conditions(purge.when, ['purge', 'when']);
    const tagFields = options.tags.from.map(fieldName);
    const purges =
      purge === false ? null : new PurgeRequests({ when, soft: purge.soft, tagFields }, key, store, shared);
    const variants = new Variants(store, heads, vary);
    const unstorable = new RecentKeys(MAX_UNSTORABLE, UNSTORABLE_MS);
    const response = responseHook(options);
    const keyReads = options.isForAnybody ? key.reads.filter((fact) => fact !== 'identity') : key.reads;
    const reads = [...keyReads, ...[...bypass, ...noStore, ...when].flatMap((condition) => condition.reads)];
    const hooks: Hooks = {
      reads: [...new Set<Fact>(reads)],
      dispatch: {
        layer: 'cache',
        words: wordsOf(options),
        explain: (exchange, isCallerKnown) =>
          explainCache({ options, key, told, service, bypass, noStore }, exchange, isCallerKnown),
        wrap: (next) =>
          new CacheLayer(
            {
              options: {
                answersGet: methods.includes('GET'),
                answersHead: methods.includes('HEAD'),
                coalesceFor: coalesce === false ? -1 : coalesce.timeout,
                refreshesEarly: refreshEarly,
                heedsClients: clientControl,
              },
              key,
              told,
              rules,
              bypass,
              noStore,
              purges,
            },
            {
              next,
              store,
              shared,
              heads,
              variants,
              service,
              outcomes: new Outcomes(options, env.routeEvents),
              failures: new Failures(store, heads),
              tags,
              unstorable,
              maxEntry: Math.min(maxObject, store.maxEntry),
              share: sharing(store, shared, variants, heads, tags),
            },
          ).dispatch,
      },
    };
    return response === null ? hooks : { ...hooks, response };
  },
});

function wordsOf({ ttl, override, staleWhileRevalidate, staleIfError }: CacheOptions): string {
  const lifetime =
    ttl === undefined
      ? 'as long as the service says'
      : `${formatDuration(ttl)}${override ? ', whatever the service says' : ' where the service says nothing'}`;
  const stale = [
    staleWhileRevalidate > 0 ? `${formatDuration(staleWhileRevalidate)} more while it is refreshed` : '',
    staleIfError > 0 ? `${formatDuration(staleIfError)} more while the service fails` : '',
  ];
  return [lifetime, ...stale.filter((words) => words !== '')].join(', ');
}
