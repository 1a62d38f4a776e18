import type { LimitHeaders } from '../plan/limit-headers.ts';
import { definePolicy, type Hooks } from '../plan/policy.ts';
import { type Attempt, Limit, type PlacedLimit } from './limits/limit.ts';
import { type LimitsOptions, limitsSchema } from './limits/options.ts';
import { TakeLimits } from './limits/take.ts';
import { TellLimits } from './limits/tell.ts';

interface PlacedLimits {
  readonly limits: readonly (readonly [name: string, limit: PlacedLimit])[];
  readonly headers: LimitHeaders;
}

export const limits = definePolicy<LimitsOptions, PlacedLimits>({
  name: 'limits',
  summary:
    'How often callers may ask, by name: 429 with `Retry-After` past that. A limit is shared by all routes that get it from where it is declared; by address it is asked before anybody is identified, by identity after.',
  schema: limitsSchema,
  examples: [
    {
      title: 'By address against floods, by identity for fairness',
      options: { flood: '300/min by address', caller: '120/min by identity' },
    },
    {
      title: 'A small bucket that fills quickly, for each tenant on each route',
      options: { tenant: { rate: '50/s', burst: 10, by: [{ header: 'x-tenant' }, 'route'] } },
    },
    {
      title: 'What it costs is known afterwards',
      options: { tokens: { rate: '100000/min', by: 'consumer', cost: { header: 'x-tokens-used' } } },
    },
    {
      title: 'Some requests are dearer than others',
      options: { work: { rate: '600/min', by: 'consumer', cost: "request.method == 'GET' ? 1 : 10" } },
    },
    {
      title: 'Watch a limit before it bites',
      options: { writes: { rate: '10/min', by: 'identity', when: "request.method != 'GET'", report: true } },
    },
  ],
  place(options, { scopeOf, isOwn, isPublic, setting }) {
    const placed: [string, PlacedLimit][] = [];
    for (const [name, limit] of Object.entries(options)) {
      if (limit === false) continue;
      placed.push([name, { ...limit, scope: scopeOf([name]), isForAnybody: isPublic && !isOwn([name]) }]);
    }
    return { limits: placed, headers: (setting('limitHeaders') as LimitHeaders | undefined) ?? 'standard' };
  },
  compile({ limits: placed, headers }, env) {
    if (placed.length === 0) return null;
    const compiled = placed.map(([name, options]) => new Limit(name, options, env));
    const attempts = env.slot<Attempt[]>();
    const tell = new TellLimits(attempts, env.limiter, headers);
    const isLate = ({ reads }: Limit): boolean => reads.includes('identity');
    const all: Hooks[] = [];
    for (const phase of ['guard', 'throttle'] as const) {
      const asked = compiled.filter((limit) => isLate(limit) === (phase === 'throttle'));
      if (asked.length === 0) continue;
      // What is declared for many routes goes by address on those where nobody identifies.
      const needed = asked.filter(({ isForAnybody }) => !isForAnybody);
      const request = new TakeLimits(phase, asked, env, attempts);
      all.push({ reads: [...new Set(needed.flatMap(({ reads }) => reads))], request });
    }
    const owes = compiled.some(({ costField }) => costField !== null);
    all.push({ response: tell, ...(owes && { done: (exchange) => tell.settle(exchange) }) });
    return all;
  },
});
