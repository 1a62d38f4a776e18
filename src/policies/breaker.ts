import { errors } from '../base/gateway-error.ts';
import type { Exchange } from '../plan/exchange.ts';
import { definePolicy } from '../plan/policy.ts';
import { refuseOrReport } from '../plan/report.ts';
import { guarding } from './breaker/guarded-call.ts';
import { type BreakerOptions, breakerWords, Failures, routeSchema } from './breaker/options.ts';
import { changeLog } from './breaker/report.ts';

export const breaker = definePolicy<BreakerOptions>({
  name: 'breaker',
  summary:
    'Stops calling a target that fails or is slow, for a while: 503 with `Retry-After` (or the `fallback`), until a few calls have shown that it is back. One for the route, over all workers, beside those of its upstreams.',
  schema: routeSchema,
  examples: [
    { title: 'When half of at least 20 calls in 10 s fail', options: true },
    {
      title: 'Part of a service that gets slow before it fails',
      options: { slowRate: '60%', slowerThan: '2s', minimumCalls: 10, window: '30s' },
    },
    { title: 'Watch what it would do', options: { consecutiveFailures: 5, report: true } },
  ],
  compile(options, env) {
    const { rules, slowerThan, report } = options;
    const { log, route } = env;
    const scope = { kind: 'route', name: `${route.gateway} ${route.name}` } as const;
    const circuit = env.circuit({ scope, rules }, changeLog(log, scope.kind, scope.name, report));
    const reported = (exchange: Exchange): void => {
      refuseOrReport(true, log, 'breaker', exchange, errors.circuitOpen);
    };
    const failures = new Failures(options.failures);
    return {
      dispatch: {
        layer: 'breaker',
        words: breakerWords(options),
        wrap: (next) => guarding({ next, circuit, failures, slowerThan, report: report ? reported : null }),
      },
    };
  },
});
