import { definePolicy } from '../plan/policy.ts';
import { retryLayer } from './retry/layer.ts';
import { type RetryOptions, retrySchema } from './retry/options.ts';

export const retry = definePolicy<RetryOptions | false>({
  name: 'retry',
  keepsFalse: true,
  summary:
    'How a service is asked again that failed, for the requests of a route: instead of what its upstreams say. `false`: not at all, whatever they say.',
  schema: retrySchema,
  examples: [
    { title: 'Three attempts, each of at most a second', options: { attempts: 3, perTryTimeout: '1s' } },
    {
      title: 'A second attempt beside a first that takes longer than most',
      options: { attempts: 1, hedge: { after: 'p95' } },
    },
  ],
  compile(options, env) {
    if (options === false) {
      return {
        dispatch: {
          layer: 'retry',
          replacesUpstreams: true,
          words: 'asks once, whatever its upstream says',
          wrap: (next) => next,
        },
      };
    }
    return { dispatch: { ...retryLayer(options, env), replacesUpstreams: true } };
  },
});
