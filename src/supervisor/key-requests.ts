import { z } from 'zod';
import { formatDuration, parseDuration } from '../base/units.ts';
import { duration, listOf } from '../plan/fields.ts';
import { parseKey } from '../semantics/api-key.ts';

/** What operators ask of the `KeyDesk`, as JSON: the fields, and words for whoever gets one wrong. */

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** An integer of milliseconds stays exact, and a typing error of three zeros is noticed. */
const LONGEST_LIFE_MS = 100 * 365 * DAY_MS;

/** How long a rotated key stays good beside its successor. */
export const DEFAULT_GRACE = '24h';

/** RFC 6749, 3.3: a scope token. */
const SCOPE = /^[!#-[\]-~]+$/;
const CONTROL = /\p{Cc}/u;
const DATE = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/;

/** A life from now on (`90d`), or a date → milliseconds since the epoch. */
const expiry = z.string().transform((text, context): number => {
  const now = Date.now();
  const at = DATE.test(text) ? Date.parse(text) : now + durationOf(text, context);
  if (Number.isNaN(at)) context.addIssue({ code: 'custom', message: 'there is no such date' });
  else if (at <= now) context.addIssue({ code: 'custom', message: 'this lies in the past' });
  else if (at > now + LONGEST_LIFE_MS) {
    context.addIssue({ code: 'custom', message: `a key lives at most ${formatDuration(LONGEST_LIFE_MS)}` });
  }
  return at;
});

function durationOf(text: string, context: z.core.$RefinementCtx): number {
  const parsed = parseDuration(text);
  if (parsed.ok) return parsed.value;
  const remedy = 'Write how long it lives, such as `90d`, or a date such as `2027-06-30`.';
  context.addIssue({ code: 'custom', message: 'this is no time to expire', params: { remedy } });
  return 1;
}

const label = z
  .string()
  .min(1)
  .max(200)
  .refine((text) => !CONTROL.test(text), { message: 'this has control characters' });

const described = {
  consumer: label,
  /** Entry of `auth`; may be left out when there is one only. */
  auth: label.optional(),
  plan: label.optional(),
  expires: expiry.optional(),
  name: label.optional(),
  scopes: listOf(z.string().regex(SCOPE, 'this is not a scope: visible ASCII without quotes and backslashes')).default(
    [],
  ),
};

export const createRequest = z.strictObject(described);

export const rotateRequest = z.strictObject({
  grace: duration({ max: LONGEST_LIFE_MS }).prefault(DEFAULT_GRACE),
  /** Without it the new key lives as long as the old one was meant to. */
  expires: expiry.optional(),
});

const key = z.string().transform((written, context): string => {
  const parsed = parseKey(written);
  if (parsed.ok) return parsed.value;
  context.addIssue({ code: 'custom', message: parsed.message, params: { remedy: parsed.remedy } });
  return z.NEVER;
});

/** A key that was made elsewhere. `key` comes out as its digest. */
export const importedKey = z.strictObject({
  ...described,
  key,
  /** To be known by; made up if not said. */
  id: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'an id has up to 64 letters, digits, `.`, `_` and `-`')
    .optional(),
  enabled: z.boolean().default(true),
  /** Of the file that it comes from, for messages. */
  line: z.int().positive().optional(),
});
export type ImportedKey = z.output<typeof importedKey>;

export const MOST_IMPORTED = 1000;
export const importRequest = z.strictObject({ keys: z.array(z.unknown()).min(1).max(MOST_IMPORTED) });

export interface RequestProblem {
  /** Of the imported file; null: there is none. */
  readonly line: number | null;
  readonly message: string;
}

/** What an operator can mend. `unknown`: there is no such key. `conflict`: the key is not in a state for that. */
export class KeyDeskError extends Error {
  readonly kind: 'invalid' | 'unknown' | 'conflict';
  readonly problems: readonly RequestProblem[];

  constructor(kind: KeyDeskError['kind'], message: string, problems: readonly RequestProblem[] = []) {
    super(message);
    this.kind = kind;
    this.problems = problems;
  }
}

export function readRequest<T extends z.ZodType>(schema: T, request: unknown): z.output<T> {
  const { success, data, error } = schema.safeParse(request);
  if (success) return data;
  const problems = problemsOf(error, null);
  throw new KeyDeskError('invalid', problems.map(({ message }) => message).join('; '));
}

/** Values are not repeated: one of them may be a key. */
export function problemsOf(error: z.ZodError, line: number | null): RequestProblem[] {
  return error.issues.map((issue) => {
    const remedy = (issue as { params?: { remedy?: string } }).params?.remedy;
    const where = issue.path.length === 0 ? '' : `\`${issue.path.join('.')}\`: `;
    return { line, message: `${where}${issue.message}${remedy === undefined ? '' : `. ${remedy}`}` };
  });
}
