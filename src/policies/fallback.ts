import { z } from 'zod';
import type { Dispatch } from '../plan/call.ts';
import { listOf } from '../plan/fields.ts';
import { contentOf, finalStatus, fixedAnswer, respondWith } from '../plan/fixed-answer.ts';
import { type CompileEnv, definePolicy, type Reference } from '../plan/policy.ts';
import { routeEvent } from '../plan/route-events.ts';
import { Failures, failureWords, usualFailures } from './fallback/failures.ts';
import { type FallbackPlan, FallbackRun, type FallbackStep } from './fallback/fallback-run.ts';

/** Statuses of an answer that can be its service's failure rather than the client's. */
const status = z
  .int()
  .refine((code) => (code >= 500 && code <= 599) || code === 404 || code === 429, {
    message: 'this status says that the request is at fault, and no other answer to it is better',
    params: { remedy: 'Use statuses from 500 on, `404` or `429`.' },
  })
  .meta({ expects: 'a status such as `503`' });

const answer = fixedAnswer(503);
const step = z.union([
  z.literal('stale').describe('What `cache` keeps, past its time. It comes first.'),
  z.strictObject({
    to: z.string().min(1).describe('The name of an upstream, or a URL.'),
    path: z
      .string()
      .min(1)
      .optional()
      .describe('Template of the path that it is asked for, instead of the one that the service would have got.'),
  }),
  z.strictObject({
    respond: z
      .union([finalStatus.transform((code): z.output<typeof answer> => ({ status: code })), answer])
      .describe('An answer that is always the same: a status, or the answer itself.'),
  }),
  z.strictObject({ handler: z.string().min(1).describe('A TypeScript file whose default export answers.') }),
]);
const steps = listOf(step);
const on = listOf(z.union([z.enum(failureWords), status]));

type Step = z.output<typeof step>;

interface Options {
  readonly steps: readonly Step[];
  readonly on: z.output<typeof on>;
  /** Where the steps stand in what was written. */
  readonly at: readonly string[];
}

interface Placed extends Options {
  /** It was said for this route, which keeps nothing. */
  readonly lacksCache: boolean;
}

const schema = z
  .union([
    steps.transform((given): Options => ({ steps: given, on: [...usualFailures], at: [] })),
    z
      .strictObject({
        steps: steps.describe('Who answers instead, tried in this order.'),
        on: on
          .prefault([...usualFailures])
          .describe(
            'When. `connect`: it cannot be reached; `timeout`, also of the route; `reset`; `malformed`: it does not speak HTTP; `busy`: no connection comes free; `circuit_open`: its breaker is open; `overloaded`: `concurrency` has no place; or an answer with this status.',
          ),
      })
      .transform((given): Options => ({ ...given, at: ['steps'] })),
  ])
  .superRefine((given, context) => {
    if (given.steps.length === 0) {
      const remedy = 'Add a step such as `{ respond: { status: 503 } }`.';
      context.addIssue({
        code: 'custom',
        message: 'this falls back to nothing',
        path: [...given.at],
        params: { remedy },
      });
    }
    const late = given.steps.lastIndexOf('stale');
    if (late > 0) {
      const remedy = 'Move it to the front.';
      const message = '`stale` is what is at hand when the service fails, and comes first';
      context.addIssue({ code: 'custom', message, path: [...given.at, late], params: { remedy } });
    }
  });

export const fallback = definePolicy<Options, Placed>({
  name: 'fallback',
  summary:
    'What is answered when the target fails before its answer has begun: the first of these steps that can. The answer says which one it was in `x-sluice-fallback`. Requests that were refused, and those that are at fault themselves, never come here.',
  schema,
  examples: [
    {
      title: 'What was true a while ago, then a static copy, then an empty list',
      options: ['stale', { to: 'catalog-static' }, { respond: { status: 503, json: { items: [] } } }],
    },
    {
      title: 'Another service, at another path, also when the first one has not got it',
      options: { on: ['connect', 'timeout', 404], steps: { to: 'archive', path: '/archive{request.path}' } },
    },
    { title: 'Your own code', options: { handler: './offline.ts' } },
  ],
  references: ({ steps: given, at }) =>
    given.flatMap((each, index): Reference[] => {
      if (each === 'stale') return [];
      if ('to' in each) return [{ kind: 'upstream', name: each.to, path: [...at, index, 'to'] }];
      return 'handler' in each ? [{ kind: 'handler', name: each.handler, path: [...at, index, 'handler'] }] : [];
    }),
  place: (options, { isOwn, setting }) => ({ ...options, lacksCache: isOwn([]) && setting('cache') === undefined }),
  compile({ steps: given, on: chosen, at, lacksCache }, env) {
    const takesStale = given[0] === 'stale';
    if (takesStale && lacksCache) {
      const message = '`stale` is what `cache` keeps, and this route has none';
      env.problem('warning', 'unused-setting', message, 'Add `cache`, or remove `stale`.', [...at, 0]);
    }
    const compiled = given.flatMap((each, index) => compileStep(each, [...at, index], env) ?? []);
    const plan: FallbackPlan = {
      failures: new Failures(chosen),
      takesStale,
      staleEvent: routeEvent('fallback', 'stale'),
      steps: compiled,
      counter: env.routeEvents,
    };
    return {
      reads: [...new Set(compiled.flatMap(({ path }) => path?.reads ?? []))],
      dispatch: {
        layer: 'fallback',
        words: `${given.map(wordsOf).join(', then ')}; on ${chosen.join(', ')}`,
        wrap: (next): Dispatch =>
          function fallBack(call, sink) {
            new FallbackRun(plan, call, sink).run(next);
          },
      },
    };
  },
});

function compileStep(given: Step, at: readonly (string | number)[], env: CompileEnv): FallbackStep | null {
  if (given === 'stale') return null;
  const event = (kind: FallbackStep['kind']) => ({ kind, event: routeEvent('fallback', kind) });
  if ('to' in given) {
    const path = given.path === undefined ? null : env.template(given.path, 'path', [...at, 'path']);
    return { ...event('to'), dispatch: env.upstream(given.to), path };
  }
  if ('handler' in given) return { ...event('handler'), dispatch: env.handler(given.handler), path: null };
  const { status: code } = given.respond;
  const { headers, body } = contentOf(given.respond);
  // Nobody on the way is to take it for the real one later.
  const isSaid = headers.some(([name]) => name === 'cache-control');
  const fields = isSaid ? headers : [...headers, ['cache-control', 'no-store'] as const];
  return { ...event('respond'), dispatch: respondWith(code, { headers: fields, body }), path: null };
}

function wordsOf(given: Step): string {
  if (given === 'stale') return 'what `cache` keeps, stale';
  if ('to' in given) return `upstream ${given.to}${given.path === undefined ? '' : ` at ${given.path}`}`;
  return 'handler' in given ? `handler ${given.handler}` : `fixed response ${given.respond.status}`;
}
