import { z } from 'zod';
import { errors } from '../base/gateway-error.ts';
import { fieldName } from '../base/headers.ts';
import { formatDuration, formatPercent } from '../base/units.ts';
import type { CallRunner, Dispatch, Sink, UpstreamCall } from '../plan/call.ts';
import type { Exchange } from '../plan/exchange.ts';
import { count, duration, headerName, percent } from '../plan/fields.ts';
import { finalStatus, respondWith } from '../plan/fixed-answer.ts';
import { definePolicy } from '../plan/policy.ts';
import { routeEvent } from '../plan/route-events.ts';
import { seededRandom } from '../semantics/seeded-random.ts';

/** How a service can fail without answering. */
const aborts = {
  connect: errors.upstreamConnect,
  reset: errors.upstreamReset,
  timeout: errors.upstreamTimeout,
} as const;
type AbortWord = keyof typeof aborts;

const share = percent().prefault('100%');
const shareText = 'Of how many requests.';

const abort = z.union([
  finalStatus.transform((status) => ({ status, share: 1 })),
  z.strictObject({
    status: finalStatus.describe('The answer, as if the service had given it.'),
    share: share.describe(shareText),
  }),
  z.strictObject({
    error: z
      .enum(Object.keys(aborts) as [AbortWord, ...AbortWord[]])
      .describe('As if it could not be reached, had closed the connection, or had not answered in time.'),
    share: share.describe(shareText),
  }),
]);

const delay = z.union([
  duration({ min: 1, max: 600_000 }).transform((time) => ({ time, share: 1 })),
  z.strictObject({
    time: duration({ min: 1, max: 600_000 }).describe('How long the request waits before the service is asked.'),
    share: share.describe(shareText),
  }),
]);

const schema = z
  .strictObject({
    delay: delay.optional().describe('Lets requests wait; a time alone holds for all of them.'),
    abort: abort.optional().describe('Lets requests fail instead of asking the service; a status alone holds for all.'),
    header: headerName().optional().describe('Only requests with this header.'),
    when: z.string().min(1).optional().describe('CEL: only requests for which it holds.'),
    seed: count(0, 0xffffffff)
      .optional()
      .describe('Makes the choice of requests the same in every run, for tests; each worker has its own sequence.'),
  })
  .refine(({ delay: waits, abort: fails }) => waits !== undefined || fails !== undefined, {
    message: 'this does nothing',
    params: { remedy: 'Add `delay` or `abort`.' },
  });

type Options = z.output<typeof schema>;

export const fault = definePolicy<Options>({
  name: 'fault',
  summary:
    'Lets requests fail or wait on purpose, for drills. To everything around it, timeouts, retries, the breaker, a fallback, it is the service that does.',
  schema,
  examples: [
    { title: 'A service that is slow one time in ten', options: { delay: { time: '2s', share: '10%' } } },
    { title: 'Only for who asks for it', options: { header: 'x-drill', abort: { error: 'reset' } } },
  ],
  compile({ delay: waits, abort: fails, header, when, seed }, env) {
    const message = 'requests fail or wait here on purpose';
    env.problem('warning', 'fault-injection', message, 'Remove it when the drill is over.', []);
    const condition = when === undefined ? null : env.condition(when, ['when']);
    const field = header === undefined ? null : fieldName(header);
    const random = seed === undefined ? Math.random : seededRandom(seed);
    const counter = env.routeEvents;
    const [delayed, aborted] = [routeEvent('fault', 'delay'), routeEvent('fault', 'abort')];
    const end = fails === undefined ? null : abortion(fails);
    const concerns = (exchange: Exchange | null): exchange is Exchange =>
      exchange !== null &&
      (field === null || exchange.headers.has(field)) &&
      (condition === null || condition.holds(exchange));
    const happens = (part: { share: number } | undefined): boolean =>
      part !== undefined && (part.share >= 1 || random() < part.share);
    return {
      reads: condition?.reads ?? [],
      dispatch: {
        layer: 'fault',
        words: describe({ delay: waits, abort: fails, header, when, seed }),
        wrap: (next): Dispatch =>
          function injectFault(call, sink) {
            const { exchange } = call;
            if (!concerns(exchange)) {
              next(call, sink);
              return;
            }
            const { series } = exchange.route;
            let then = next;
            if (end !== null && happens(fails)) {
              counter.count(series, aborted);
              then = end;
            }
            if (waits === undefined || !happens(waits)) {
              then(call, sink);
              return;
            }
            counter.count(series, delayed);
            new DelayedCall(call, sink, then, waits.time);
          },
      },
    };
  },
});

function abortion(fails: NonNullable<Options['abort']>): Dispatch {
  if ('status' in fails) return respondWith(fails.status, { headers: [], body: null });
  const error = aborts[fails.error];
  return (_call, sink) => sink.fail(error);
}

function describe({ delay: waits, abort: fails, header, when, seed }: Options): string {
  const parts: string[] = [];
  if (waits !== undefined) parts.push(`${formatPercent(waits.share)} wait ${formatDuration(waits.time)}`);
  if (fails !== undefined) {
    const how = 'status' in fails ? `are answered ${fails.status}` : `fail with \`${fails.error}\``;
    parts.push(`${formatPercent(fails.share)} ${how}`);
  }
  const only = [
    ...(header === undefined ? [] : [`with \`${header}\``]),
    ...(when === undefined ? [] : [`for which ${when}`]),
  ];
  const gate = only.length === 0 ? '' : `of those ${only.join(' and ')}: `;
  return `on purpose, ${gate}${parts.join(', ')}${seed === undefined ? '' : `, by seed ${seed}`}`;
}

/** Waits, then goes on as if nothing had been. */
class DelayedCall implements CallRunner {
  readonly #timer: NodeJS.Timeout;

  constructor(call: UpstreamCall, sink: Sink, next: Dispatch, milliseconds: number) {
    call.runner = this;
    this.#timer = setTimeout(() => {
      call.runner = null;
      next(call, sink);
    }, milliseconds);
  }

  resumeCall(): void {}

  cancelCall(call: UpstreamCall): void {
    clearTimeout(this.#timer);
    call.runner = null;
  }
}
