import { definePolicy } from '../plan/policy.ts';
import { retryLayer } from './retry/layer.ts';
import { type RetryOptions, retrySchema } from './retry/options.ts';

export const upstreamRetry = definePolicy<RetryOptions>({
  name: 'upstreamRetry',
  setting: 'retry',
  summary:
    'Asks the service again where that is safe: requests that may be repeated (idempotent methods, or with `Idempotency-Key`) and those of which nothing was sent; another endpoint first, within a budget. A `retry` of a route takes its place.',
  schema: retrySchema,
  examples: [
    {
      title: 'Once more, for a fifth of the calls at most',
      options: { attempts: 2, for: ['connect', 'reset', 503], budget: '20%' },
    },
    {
      title: 'Reads that must be fast',
      options: { attempts: 3, perTryTimeout: '500ms', hedge: { after: 'p95' }, budget: '10%' },
    },
  ],
  compile: (options, env) => ({ dispatch: retryLayer(options, env) }),
});
