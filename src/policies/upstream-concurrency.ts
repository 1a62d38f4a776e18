import { z } from 'zod';
import { formatDuration } from '../base/units.ts';
import type { AdaptiveOptions } from '../plan/admission.ts';
import { count, duration, orTrue } from '../plan/fields.ts';
import { definePolicy } from '../plan/policy.ts';

const DEFAULT_TIMEOUT_MS = 1_000;

const adaptive = orTrue(
  z.strictObject({
    min: count(1).default(1).describe('The limit never falls below.'),
    initial: count(1).default(20).describe('The limit before anything is known.'),
    tolerance: z
      .number()
      .min(1.05)
      .max(10)
      .default(1.5)
      .describe('How much slower than without load an answer may be: 1.5 is half as slow again.'),
  }),
);

interface Options {
  readonly max: number;
  readonly queue: number;
  readonly timeout: number;
  readonly adaptive: AdaptiveOptions | null;
}

const long = z
  .strictObject({
    max: count(1).optional().describe('Calls under way at once, over all workers; 1000 with `adaptive`.'),
    queue: count(0)
      .optional()
      .describe('Calls of a worker that may wait for their turn: 503 past it. As many as `max`.'),
    timeout: duration({ min: 1 }).default(DEFAULT_TIMEOUT_MS).describe('How long they wait at most: 503 after it.'),
    adaptive: z
      .union([z.literal(false), adaptive])
      .default(false)
      .describe('Let the limit follow the latency, up to `max`: it shrinks while answers take longer than they need.'),
  })
  .refine(({ max, adaptive: given }) => max !== undefined || given !== false, {
    message: 'this limits nothing',
    params: { remedy: 'Add `max`, or `adaptive: true`.' },
  })
  .refine(({ max, adaptive: given }) => given === false || given.min <= (max ?? MAX_ADAPTIVE), {
    message: 'the limit cannot be at least `min` and at most `max`',
    path: ['adaptive', 'min'],
    params: { remedy: 'Lower `min`, or raise `max`.' },
  })
  .transform(({ max = MAX_ADAPTIVE, queue = max, timeout, adaptive: given }): Options => {
    return { max, queue, timeout, adaptive: given === false ? null : given };
  });

const MAX_ADAPTIVE = 1_000;

const schema = z.union([
  count(1).transform((max): Options => ({ max, queue: max, timeout: DEFAULT_TIMEOUT_MS, adaptive: null })),
  long,
]);

export const upstreamConcurrency = definePolicy<Options>({
  name: 'upstreamConcurrency',
  setting: 'concurrency',
  summary:
    'How many calls may be under way to the service at once, whatever routes they come from: the next ones wait for their turn for a while, those of higher `priority` first, and get 503 with `Retry-After` when it does not come.',
  schema,
  examples: [
    { title: 'A service that does 50 things at once', options: 50 },
    { title: 'A longer queue, for a service with bursts', options: { max: 50, queue: 200, timeout: '2s' } },
    { title: 'Find out how much the service can do', options: { adaptive: true } },
  ],
  compile({ max, queue, timeout, adaptive: given }, env) {
    const gate = env.gate({
      scope: { kind: 'upstream', name: env.route.name },
      max,
      queue,
      timeout,
      adaptive: given,
    });
    const limit = given === null ? `at most ${max}` : `at most ${given.min} to ${max}, by latency,`;
    const waits = queue === 0 ? 'nobody waits' : `${queue} in each worker wait for up to ${formatDuration(timeout)}`;
    return {
      dispatch: {
        layer: 'admit',
        words: `${limit} at once, ${waits}`,
        wrap: (next) => gate.guard(next, null, null),
      },
    };
  },
});
