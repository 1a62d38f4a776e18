import { z } from 'zod';
import { errors, type GatewayError } from '../../base/gateway-error.ts';
import { formatDuration } from '../../base/units.ts';
import { count, duration, listOf, percent } from '../../plan/fields.ts';
import type { CircuitRules } from '../../semantics/circuit.ts';

const DEFAULT_WINDOW_MS = 10_000;
const DEFAULT_OPEN_MS = 5_000;
const DEFAULT_MAX_OPEN_MS = 60_000;
const DEFAULT_ERROR_RATE = 0.5;
const DEFAULT_MINIMUM = 20;
const DEFAULT_PROBES = 3;

const kinds = ['connect', 'reset', 'timeout', '5xx'] as const;
const DEFAULT_FAILURES: readonly Failure[] = kinds;
type Failure = (typeof kinds)[number] | number;

/** What counts as a failure of the service. */
export class Failures {
  readonly connect: boolean;
  readonly reset: boolean;
  readonly timeout: boolean;
  readonly #statuses: ReadonlySet<number>;
  readonly #all5xx: boolean;

  constructor(given: readonly Failure[]) {
    this.connect = given.includes('connect');
    this.reset = given.includes('reset');
    this.timeout = given.includes('timeout');
    this.#all5xx = given.includes('5xx');
    this.#statuses = new Set(given.filter((each) => typeof each === 'number'));
  }

  hasStatus(status: number): boolean {
    return (this.#all5xx && status >= 500) || (this.#statuses.size > 0 && this.#statuses.has(status));
  }

  /** Null: an error that says nothing about the service. */
  hasError(error: GatewayError): boolean | null {
    switch (error) {
      case errors.upstreamConnect:
      case errors.upstreamTls:
      case errors.upstreamConnectTimeout:
        return this.connect;
      case errors.upstreamReset:
      case errors.upstreamMalformed:
        return this.reset;
      case errors.upstreamTimeout:
        return this.timeout;
      default:
        return null;
    }
  }
}

/** Plain data: it crosses to the workers. */
export interface BreakerOptions {
  readonly rules: CircuitRules;
  readonly failures: readonly Failure[];
  /** Milliseconds to the head of an answer from which it is slow; 0: nobody looks. */
  readonly slowerThan: number;
  readonly report: boolean;
}

const shape = {
  errorRate: percent()
    .optional()
    .describe('Share of failed calls at which it opens; 50% unless something else opens it.'),
  slowRate: percent().optional().describe('Share of slow calls at which it opens.'),
  slowerThan: duration({ min: 1 }).optional().describe('What is slow: so long until the head of the answer.'),
  minimumCalls: count(1, 100_000)
    .default(DEFAULT_MINIMUM)
    .describe('Calls in the window below which shares mean nothing.'),
  window: duration({ min: 1_000, max: 3_600_000 })
    .default(DEFAULT_WINDOW_MS)
    .describe('Over how long calls are counted.'),
  consecutiveFailures: count(1, 100_000)
    .optional()
    .describe('Failures without a success in between at which it opens, whatever the shares are.'),
  openFor: duration({ min: 100, max: 3_600_000 })
    .default(DEFAULT_OPEN_MS)
    .describe('How long nothing is sent, before a few calls try whether the service is back. It doubles each time.'),
  maxOpenFor: duration({ min: 100, max: 86_400_000 })
    .optional()
    .describe('As far as `openFor` grows; 60s, or `openFor` if that is longer.'),
  probes: count(1, 100)
    .default(DEFAULT_PROBES)
    .describe('How many calls try it, and have to go well. One that does not opens it again.'),
  failures: listOf(z.union([z.enum(kinds), z.int().min(400).max(599)]))
    .default([...DEFAULT_FAILURES])
    .describe(
      'What counts as a failure: `connect`, `reset` (the connection was lost, or brought no HTTP), `timeout`, `5xx`, statuses. Callers who go away never do.',
    ),
  report: z.boolean().default(false).describe('Decide, count and log, and let calls pass.'),
};

type Given = z.output<z.ZodObject<typeof shape>>;

function rulesOf(given: Given): CircuitRules {
  const { errorRate, slowRate, minimumCalls, window, consecutiveFailures = 0, openFor, probes } = given;
  const isSilent = errorRate === undefined && slowRate === undefined && consecutiveFailures === 0;
  return {
    errorRate: errorRate ?? (isSilent ? DEFAULT_ERROR_RATE : null),
    slowRate: slowRate ?? null,
    minimumCalls,
    window,
    consecutiveFailures,
    openFor,
    maxOpenFor: given.maxOpenFor ?? Math.max(openFor, DEFAULT_MAX_OPEN_MS),
    probes,
  };
}

function optionsOf(given: Given): BreakerOptions {
  const { failures, slowerThan = 0, report } = given;
  return { rules: rulesOf(given), failures, slowerThan, report };
}

const complaints = {
  slow: {
    message: '`slowRate` and `slowerThan` belong together',
    params: { remedy: 'Say with both what is slow and how much of it is too much.' },
  },
  zero: {
    message: 'a share of 0% would open it at once',
    params: { remedy: 'Write for instance `50%`.' },
  },
  longest: {
    message: '`maxOpenFor` is shorter than `openFor`',
    path: ['maxOpenFor'],
    params: { remedy: 'Raise it, or leave it out.' },
  },
};

function isPaired({ slowRate, slowerThan }: Given): boolean {
  return (slowRate === undefined) === (slowerThan === undefined);
}
function isAboveZero({ errorRate, slowRate }: Given): boolean {
  return errorRate !== 0 && slowRate !== 0;
}
function isOrdered({ openFor, maxOpenFor }: Given): boolean {
  return maxOpenFor === undefined || maxOpenFor >= openFor;
}

const routeFields = z
  .strictObject(shape)
  .refine(isPaired, complaints.slow)
  .refine(isAboveZero, complaints.zero)
  .refine(isOrdered, complaints.longest);
const routeObject = routeFields.transform(optionsOf);

export const routeSchema = z.union([
  z.literal(true).transform((): BreakerOptions => routeObject.parse({})),
  routeObject,
]);

export type UpstreamBreakerOptions = BreakerOptions & { readonly scope: 'upstream' | 'endpoint' };

const upstreamObject = z
  .strictObject({
    ...shape,
    scope: z
      .enum(['upstream', 'endpoint'])
      .default('upstream')
      .describe('What it stops calling: the service as a whole, or each of its endpoints by itself.'),
  })
  .refine(isPaired, complaints.slow)
  .refine(isAboveZero, complaints.zero)
  .refine(isOrdered, complaints.longest)
  .transform((given): UpstreamBreakerOptions => ({ ...optionsOf(given), scope: given.scope }));

export const upstreamSchema = z.union([
  z.literal(true).transform((): UpstreamBreakerOptions => upstreamObject.parse({})),
  upstreamObject,
]);

/** For `sluice explain`. */
export function breakerWords({ rules, slowerThan, report }: BreakerOptions): string {
  const share = (value: number): string => `${Math.round(value * 1000) / 10} %`;
  const { errorRate, slowRate, minimumCalls, window, consecutiveFailures, openFor, maxOpenFor } = rules;
  const causes = [
    ...(errorRate === null ? [] : [`at ${share(errorRate)} failed`]),
    ...(slowRate === null ? [] : [`at ${share(slowRate)} slower than ${formatDuration(slowerThan)}`]),
  ];
  const shares =
    causes.length === 0
      ? []
      : [`${causes.join(' or ')} of at least ${minimumCalls} calls in ${formatDuration(window)}`];
  const all = [...shares, ...(consecutiveFailures === 0 ? [] : [`after ${consecutiveFailures} failures in a row`])];
  const time =
    openFor === maxOpenFor ? formatDuration(openFor) : `${formatDuration(openFor)} to ${formatDuration(maxOpenFor)}`;
  return `${report ? 'reports what it would do: ' : ''}opens ${all.join(', or ')}, for ${time}`;
}
