import type { CompileEnv, DispatchHook } from '../../plan/policy.ts';
import type { RetryBudget } from '../../plan/retry-budget.ts';
import type { UpstreamOptions } from '../../plan/upstream.ts';
import { RetryConditions } from './conditions.ts';
import { hedging } from './hedged-call.ts';
import { Latencies } from './latencies.ts';
import { type RetryOptions, retryWords } from './options.ts';
import { retrying } from './retried-call.ts';

/** What all routes to one upstream have in common. */
interface Common {
  readonly budget: RetryBudget;
  /** Null: no hedge asks for a percentile. */
  readonly latencies: Latencies | null;
}

/** The layer of a use, around whichever upstream: each has its own budget. */
export function retryLayer(options: RetryOptions, env: Pick<CompileEnv, 'retryBudget'>): DispatchHook {
  const conditions = new RetryConditions(options.conditions);
  const { attempts, hedge } = options;
  const byUpstream = new Map<string, Common>();
  const commonOf = ({ name, series }: UpstreamOptions): Common => {
    const known = byUpstream.get(name);
    if (known !== undefined) return known;
    const common = {
      budget: env.retryBudget({ upstream: name, series, ...options.budget }),
      latencies: hedge?.quantile == null ? null : new Latencies(hedge.quantile),
    };
    byUpstream.set(name, common);
    return common;
  };
  return {
    layer: 'retry',
    words: retryWords(options),
    wrap(next, upstream) {
      // A target that is no service has nothing to be asked again.
      if (upstream === null || (attempts === 1 && hedge === null)) return next;
      const { budget, latencies } = commonOf(upstream);
      const target =
        hedge === null ? next : hedging({ next, conditions, budget, latencies, after: hedge.after, max: hedge.max });
      return retrying({ next: target, options, conditions, budget, total: upstream.totalTimeout, random: Math.random });
    },
  };
}
