import { z } from 'zod';
import { suggest } from '../../base/suggest.ts';
import { formatDuration, type Rate } from '../../base/units.ts';
import { count, headerName, listOf, namedMap, rate } from '../../plan/fields.ts';
import { MAX_SLIDING_LIMIT, type RateAlgorithm } from '../../semantics/rate.ts';

/** What callers are told apart by. */
const keyWords = ['address', 'identity', 'consumer', 'key', 'route', 'gateway'] as const;
export type KeyWord = (typeof keyWords)[number];
export type KeyPart = KeyWord | { readonly header: string } | { readonly template: string };

/** One limit as plain data: what the short and the long form both come to. Times in milliseconds. */
export interface LimitOptions {
  readonly limit: number;
  readonly period: number;
  readonly burst: number;
  readonly algorithm: RateAlgorithm;
  readonly by: readonly KeyPart[];
  /** Text: CEL. */
  readonly cost: number | string | { readonly header: string };
  readonly when: string | null;
  readonly report: boolean;
}

/** The long form; the short one is its `rate`. */
interface Written {
  readonly rate: Rate;
  readonly burst?: number | undefined;
  readonly by?: readonly KeyPart[] | undefined;
  readonly algorithm: RateAlgorithm;
  readonly cost: LimitOptions['cost'];
  readonly when?: string | undefined;
  readonly report: boolean;
}

class Fault {
  readonly path: readonly string[];
  readonly message: string;
  readonly remedy: string;

  constructor(path: string | null, message: string, remedy: string) {
    this.path = path === null ? [] : [path];
    this.message = message;
    this.remedy = remedy;
  }
}

/** A bucket that takes longer to fill outlives every process, and its 64 bits do not count further in nanoseconds. */
const LONGEST_FILL_MS = 366 * 86_400_000;
const [lastWord, ...otherWords] = keyWords.map((word) => `\`${word}\``).reverse();
const someWord = `${otherWords.reverse().join(', ')} or ${lastWord}`;

function partOf(text: string): KeyPart | Fault {
  const word = keyWords.find((each) => each === text);
  if (word !== undefined) return word;
  if (text.includes('{')) return { template: text };
  const near = suggest(text, keyWords);
  const others = `Write ${someWord}, \`{ header: x-tenant }\` or a template.`;
  return new Fault(
    null,
    `callers cannot be told apart by \`${text}\``,
    near === null ? others : `Did you mean \`${near}\`?`,
  );
}

function limitOf({ rate: { limit, per, by: short }, burst, by, algorithm, cost, when, report }: Written) {
  if (limit < 1) return new Fault('rate', 'a limit lets one request pass at least', 'Write `1` or more.');
  if (per === 'month') return new Fault('rate', 'a limit is no quota', 'Count per `s`, `min`, `h` or `day`.');
  if (short !== undefined && by !== undefined) {
    return new Fault('by', 'the rate says `by` too', 'Say it in one place.');
  }
  const part = short === undefined ? 'address' : partOf(short);
  if (part instanceof Fault) return new Fault('rate', part.message, part.remedy);
  if (algorithm === 'sliding-window' && burst !== undefined) {
    return new Fault('burst', 'a sliding window has no burst', 'Remove it, or `algorithm`.');
  }
  if (algorithm === 'sliding-window' && limit > MAX_SLIDING_LIMIT) {
    const remedy = 'Count over a shorter time, or remove `algorithm`.';
    return new Fault('rate', `a sliding window counts to ${MAX_SLIDING_LIMIT}`, remedy);
  }
  const room = burst ?? limit;
  if ((room * per) / limit > LONGEST_FILL_MS) {
    const remedy = `Write \`${Math.floor((LONGEST_FILL_MS * limit) / per)}\` or less.`;
    return new Fault('burst', `this would take longer than ${formatDuration(LONGEST_FILL_MS)} to fill`, remedy);
  }
  if (typeof cost === 'number' && cost > room) {
    return new Fault('cost', `there are never more than ${room}`, 'Write less, or raise `burst`.');
  }
  return { limit, period: per, burst: room, algorithm, by: by ?? [part], cost, when: when ?? null, report };
}

type Context = z.core.$RefinementCtx;

function orReport<T>(made: T | Fault, context: Context, isWhole: boolean): T {
  if (!(made instanceof Fault)) return made;
  const { path, message, remedy } = made;
  context.addIssue({ code: 'custom', path: isWhole ? [] : [...path], message, params: { remedy } });
  return z.NEVER;
}

const part = z.union([
  z
    .string()
    .meta({ expects: `${someWord}, or a template`, examples: [...keyWords] })
    .transform((text, context): KeyPart => orReport(partOf(text), context, true)),
  z.strictObject({ header: headerName().describe('The value of a header of the request.') }),
  z.strictObject({ template: z.string().min(1).describe('Text with values of the request.') }),
]);

const long = z
  .strictObject({
    rate: rate().describe('How many, in how long.'),
    burst: count(1)
      .optional()
      .describe(
        'How many a rested caller may make at once: the size of the bucket. The number of `rate` when left out.',
      ),
    by: listOf(part)
      .refine((parts) => parts.length > 0, {
        message: 'this list tells nobody apart',
        params: { remedy: 'Name something, or leave it out.' },
      })
      .optional()
      .describe('What is counted apart; with a list, every combination. `address` when left out.'),
    algorithm: z
      .enum(['gcra', 'sliding-window'])
      .default('gcra')
      .describe('`gcra` fills the bucket evenly; `sliding-window` counts what fell into the last period.'),
    cost: z
      .union([
        count(1),
        z.strictObject({ header: headerName().describe('A header of the response with a whole number.') }),
        z.string().min(1).meta({ expects: 'a number, CEL, or `{ header }`' }),
      ])
      .prefault(1)
      .describe(
        'What a request takes. Text: CEL whose value is a number, 1 where it cannot be worked out. `{ header }`: the response says so, and 1 where it does not.',
      ),
    when: z
      .string()
      .min(1)
      .optional()
      .describe('CEL: which requests it is for. One for which this cannot be evaluated is limited.'),
    report: z.boolean().default(false).describe('Count and log what would be refused, and let it pass.'),
  })
  .transform((written, context): LimitOptions => orReport(limitOf(written), context, false));

const short = rate().transform((given, context): LimitOptions => {
  return orReport(limitOf({ rate: given, algorithm: 'gcra', cost: 1, report: false }), context, true);
});

/** As it stands in `RateLimit` fields and in metrics. */
const limitName = z.string().superRefine((name, context) => {
  if (/^[A-Za-z0-9_.-]{1,64}$/.test(name)) return;
  const remedy = 'Use up to 64 letters, digits, `.`, `_` and `-`.';
  context.addIssue({ code: 'custom', message: `\`${name}\` cannot name a limit`, params: { remedy } });
});

export const limitsSchema = namedMap(z.union([short, long]), limitName);
export type LimitsOptions = z.output<typeof limitsSchema>;
