import { errors } from '../base/gateway-error.ts';
import type { Exchange } from '../plan/exchange.ts';
import { definePolicy } from '../plan/policy.ts';
import { refuseOrReport } from '../plan/report.ts';
import { EndpointCircuits } from './breaker/endpoint-guard.ts';
import { guarding } from './breaker/guarded-call.ts';
import { breakerWords, Failures, type UpstreamBreakerOptions, upstreamSchema } from './breaker/options.ts';
import { changeLog } from './breaker/report.ts';

export const upstreamBreaker = definePolicy<UpstreamBreakerOptions>({
  name: 'upstreamBreaker',
  setting: 'breaker',
  summary:
    'Stops calling a service that fails or is slow, for a while: 503 with `Retry-After` (or the `fallback` of the route), until a few calls have shown that it is back. One over all workers and routes, or one for each endpoint.',
  schema: upstreamSchema,
  examples: [
    {
      title: 'When half of the calls fail',
      options: { errorRate: '50%', minimumCalls: 20, window: '10s', openFor: '5s' },
    },
    {
      title: 'Endpoint by endpoint, after five failures in a row',
      options: { scope: 'endpoint', consecutiveFailures: 5 },
    },
    { title: 'When a service gets slow', options: { slowRate: '50%', slowerThan: '1s' } },
  ],
  compile(options, env) {
    const { rules, slowerThan, report, scope } = options;
    const { log, route } = env;
    const { name } = route;
    const failures = new Failures(options.failures);
    const told = (exchange: Exchange): void => {
      refuseOrReport(true, log, 'breaker', exchange, errors.circuitOpen);
    };
    const reported = report ? told : null;
    const open = (kind: 'upstream' | 'endpoint', of: string) =>
      env.circuit({ scope: { kind, name: of }, rules }, changeLog(log, kind, of, report));
    if (scope === 'endpoint') {
      const circuits = new EndpointCircuits({
        open: ({ url }) => open('endpoint', `${name} ${url}`),
        failures,
        slowerThan,
        report: reported,
      });
      const words = `each endpoint by itself: ${breakerWords(options)}`;
      return { dispatch: { layer: 'breaker', words, wrap: (next) => circuits.wrap(next) } };
    }
    const circuit = open('upstream', name);
    return {
      dispatch: {
        layer: 'breaker',
        words: breakerWords(options),
        wrap: (next) => guarding({ next, circuit, failures, slowerThan, report: reported }),
      },
    };
  },
});
