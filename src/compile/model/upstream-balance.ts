import { z } from 'zod';
import { count, duration, HEADER_NAME, headerName, listOf, orTrue, percent, secret } from '../../plan/fields.ts';
import { DEFAULT_PANIC_THRESHOLD } from '../../plan/upstream.ts';

/** How calls are spread over an upstream's targets, and kept away from those that fail. */

function cookieName() {
  return z.string().regex(HEADER_NAME).meta({ expects: 'the name of a cookie such as `session`' });
}

const hashKey = z.union([
  z.enum(['address', 'identity']),
  z.strictObject({ header: headerName().describe('The value of this header.') }),
  z.strictObject({ cookie: cookieName().describe('The value of this cookie.') }),
]);

const spread = z
  .strictObject({
    by: z
      .enum(['round-robin', 'least-request', 'ewma'])
      .optional()
      .describe(
        '`round-robin`: in turn, by weight. `least-request`: of two by chance, the one with less under way for its weight, over all workers. `ewma`: of two, the one where a call would wait less, by latency and what is under way.',
      ),
    hash: hashKey
      .optional()
      .describe(
        'Equal keys go to the same target, on every machine: the client’s `address`, its `identity` (its address without one), a header or a cookie. Calls without the key go anywhere.',
      ),
    maxLoad: z
      .number()
      .min(1.05)
      .max(100)
      .optional()
      .describe('With `hash`: how many times its share of what is under way a target may have; 1.25.'),
    slowStart: duration({ max: 3_600_000 })
      .default(0)
      .describe('Over how long a target that has come, or come back, grows from a tenth of its weight to all of it.'),
    panicThreshold: percent()
      .default(DEFAULT_PANIC_THRESHOLD)
      .describe(
        'When the targets cannot take all calls and fewer than this share of them are well, all are used: few would break down too. `0%`: never; with none well, calls get 503.',
      ),
  })
  .refine(({ by, hash }) => by === undefined || hash === undefined, {
    message: 'calls are spread in one way or the other',
    path: ['by'],
    params: { remedy: 'Remove `by` or `hash`.' },
  })
  .refine(({ hash, maxLoad }) => hash !== undefined || maxLoad === undefined, {
    message: '`maxLoad` belongs to `hash`',
    path: ['maxLoad'],
    params: { remedy: 'Remove it.' },
  });

export const balanceSchema = z.union([z.enum(['round-robin', 'least-request', 'ewma']), spread]);
export type BalanceValue = z.output<typeof balanceSchema>;

const failure = z.union([
  z.enum(['connect', 'reset', 'timeout', 'malformed', '4xx', '5xx']),
  z.int().min(400).max(599),
]);

const successRate = z.strictObject({
  margin: percent().default(0.25).describe('How much less often than the others together it succeeds.'),
  minimumCalls: count(1).default(50).describe('Calls of a window without which nothing is concluded.'),
  window: duration({ min: 1_000, max: 600_000 }).default(10_000).describe('Over which calls are counted.'),
});

export const ejectionSchema = orTrue(
  z.strictObject({
    failures: count(1, 1_000).default(5).describe('Failures in a row, over all workers, that send a target away.'),
    for: listOf(failure)
      .default(['connect', 'reset', 'timeout', 'malformed', 502, 503, 504])
      .describe('What is a failure: kinds of errors, statuses.'),
    successRate: z
      .union([z.literal(false), orTrue(successRate)])
      .default({ margin: 0.25, minimumCalls: 50, window: 10_000 })
      .describe('Also send a target away that fails more often than the others; here any 5xx is a failure.'),
    time: duration({ min: 100, max: 86_400_000 })
      .default(30_000)
      .describe('How long it is left alone, times how often that happened lately.'),
    maxTime: duration({ min: 100, max: 86_400_000 }).default(300_000).describe('At most this long.'),
    maxShare: percent()
      .default(0.5)
      .describe('Largest share of the targets that is away at once; one of several always may be.'),
  }),
);
export type EjectionValue = z.output<typeof ejectionSchema>;

export const affinitySchema = z.strictObject({
  cookie: cookieName().describe('Its name. The service does not see it.'),
  ttl: duration({ min: 60_000, max: 31_536_000_000 })
    .optional()
    .describe('How long a client that stays away is remembered; without it, as long as the session of the browser.'),
  secret: secret(z.string().min(32))
    .optional()
    .describe('Signs it, the same on all machines. Without it one is made up, and a restart binds clients anew.'),
});
