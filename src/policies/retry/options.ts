import { z } from 'zod';
import { formatDuration, formatSize } from '../../base/units.ts';
import { count, duration, listOf, percent, size } from '../../plan/fields.ts';
import type { BackoffRules } from '../../semantics/backoff.ts';

const DEFAULT_ATTEMPTS = 2;
const DEFAULT_STATUS = 503;
const DEFAULT_BASE_MS = 25;
const DEFAULT_MAX_MS = 250;
const DEFAULT_RETRY_AFTER_MS = 1_000;
const DEFAULT_SHARE = 0.2;
const DEFAULT_MINIMUM = 1;
const DEFAULT_BODY = 64 * 1024;
const MAX_BODY = 16 * 1024 * 1024;

const conditions = ['connect', 'reset', 'timeout'] as const;
export type RetryCondition = (typeof conditions)[number] | number;

/** After which share of first attempts, or how many milliseconds, a second one is made beside the first. */
export interface HedgeOptions {
  /** From 0 to 1; null: `after` says it. */
  readonly quantile: number | null;
  readonly after: number;
  /** Attempts beside the first. */
  readonly max: number;
}

/** Plain data: it crosses to the workers. Times in milliseconds. */
export interface RetryOptions {
  readonly attempts: number;
  readonly conditions: readonly RetryCondition[];
  /** 0: none. */
  readonly perTryTimeout: number;
  readonly backoff: BackoffRules;
  readonly maxRetryAfter: number;
  readonly budget: { readonly share: number; readonly minimum: number };
  /** Bytes. */
  readonly maxBody: number;
  readonly hedge: HedgeOptions | null;
}

const QUANTILE = /^p(\d{1,2}(?:\.\d)?)$/;

const after = z.union([
  z
    .string()
    .regex(QUANTILE)
    .meta({ expects: 'a duration, or a percentile such as `p95`', examples: ['p95', 'p99'] })
    .transform((text) => ({ quantile: Number(QUANTILE.exec(text)?.[1]) / 100, after: 0 })),
  duration({ min: 1 }).transform((milliseconds) => ({ quantile: null, after: milliseconds })),
]);

const hedgeFields = z.strictObject({
  after: after
    .default({ quantile: 0.95, after: 0 })
    .describe('How long the first attempt may take: a time, or a percentile of what the service takes to the head.'),
  max: count(1, 3).default(1).describe('Attempts beside the first.'),
});
const hedge = z
  .union([z.literal(true).transform(() => hedgeFields.parse({})), hedgeFields])
  .transform((given): HedgeOptions => ({ ...given.after, max: given.max }));

const share = percent();
const budget = z
  .union([
    share.transform((given) => ({ share: given, perSecond: DEFAULT_MINIMUM })),
    z.strictObject({
      share: share
        .default(DEFAULT_SHARE)
        .describe('Further attempts, as a share of the calls of the last ten seconds.'),
      perSecond: z
        .number()
        .min(0)
        .max(1_000)
        .default(DEFAULT_MINIMUM)
        .describe('So many are made however few calls there are.'),
    }),
  ])
  .transform((given) => ({ share: given.share, minimum: given.perSecond }));

const fields = z
  .strictObject({
    attempts: count(1, 10).default(DEFAULT_ATTEMPTS).describe('How often it is tried at most; the first try counts.'),
    for: listOf(z.union([z.enum(conditions), z.int().min(400).max(599)]))
      .optional()
      .describe(
        'What is tried again: `connect`, `reset` (the connection was lost, or brought no HTTP), `timeout`, statuses. `connect`, `reset` and 503, with `perTryTimeout` also `timeout`.',
      ),
    perTryTimeout: duration({ min: 50 })
      .optional()
      .describe('How long one attempt may take to the head of its answer; what `timeout` says bounds all of them.'),
    backoff: z
      .strictObject({
        base: duration({ max: 60_000 }).default(DEFAULT_BASE_MS).describe('Longest pause before the second attempt.'),
        max: duration({ max: 60_000 }).default(DEFAULT_MAX_MS).describe('It doubles up to this.'),
      })
      .prefault({})
      .describe('Pauses between attempts: a random part of a time that doubles.'),
    maxRetryAfter: duration({ max: 60_000 })
      .default(DEFAULT_RETRY_AFTER_MS)
      .describe('Longest `Retry-After` that is waited for: an answer that asks for more goes to the client.'),
    budget: budget
      .prefault({})
      .describe('Further attempts that the service is given, as a share of its calls over all workers.'),
    maxBody: size({ max: MAX_BODY })
      .default(DEFAULT_BODY)
      .describe('Bodies of requests are kept up to this size; what has sent more is not tried again.'),
    hedge: z
      .union([z.literal(false), hedge])
      .default(false)
      .describe(
        'For requests that only read, without a body: a further attempt beside one that takes long. The first answer counts.',
      ),
  })
  .transform((given): RetryOptions => {
    const { for: asked, perTryTimeout = 0, budget: allowed, hedge: hedged, ...rest } = given;
    const usual: RetryCondition[] = [
      'connect',
      'reset',
      ...(perTryTimeout > 0 ? (['timeout'] as const) : []),
      DEFAULT_STATUS,
    ];
    return {
      ...rest,
      conditions: asked ?? usual,
      perTryTimeout,
      budget: allowed,
      hedge: hedged === false ? null : hedged,
    };
  });

export const retrySchema = z.union([z.literal(true).transform((): RetryOptions => fields.parse({})), fields]);

/** For `sluice explain`. */
export function retryWords(options: RetryOptions): string {
  const { attempts, conditions: on, budget: allowed, perTryTimeout, maxBody, hedge: hedged } = options;
  const each = perTryTimeout > 0 ? ` of ${formatDuration(perTryTimeout)} each` : '';
  const further = `at most ${Math.round(allowed.share * 1000) / 10} % further attempts`;
  const tries = `up to ${attempts} attempts${each} for ${on.join(', ')}; ${further}; bodies up to ${formatSize(maxBody)}`;
  if (hedged === null) return tries;
  const when = hedged.quantile === null ? formatDuration(hedged.after) : `p${hedged.quantile * 100}`;
  return `${tries}; ${hedged.max} more beside one that takes longer than ${when}`;
}
