/**
 * The schema fields that policies and the document share. A field parses its notation, tells an editor its pattern, and
 * says in words what it expects: `expects` is what an error prints after "expected".
 */
import { z } from 'zod';
import {
  formatDuration,
  formatSize,
  type Parsed,
  parseDuration,
  parsePercent,
  parseRate,
  parseSize,
  patterns,
  type Rate,
} from '../base/units.ts';
import { parseNetwork } from '../semantics/cidr.ts';
import { LinearRegex } from '../semantics/linear-regex.ts';

/** Keys of `.meta()` that the configuration checker reads; they never reach the JSON Schema as they are. */
export interface FieldMeta {
  /** In words, after "expected": `a duration such as \`5s\``. */
  expects?: string;
  /** The value must never be printed, and a default in its reference is refused. */
  secret?: true | ((text: string) => boolean);
  /** Taken only to be refused with better words: no part of the JSON Schema. */
  unlisted?: true;
  /** Of all numbers, `0` alone: the JSON Schema says so. */
  zero?: true;
  /** Entries of a nearer map join those of a farther one instead of taking their place. */
  mergeByName?: true;
}

/** RFC 9110, 5.6.2: a token. */
export const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Bounds, both included, in what the field yields: milliseconds or bytes. */
export interface Bounds {
  min?: number;
  max?: number;
}

/**
 * A notation in text. Numbers get as far as the parser, because it knows better than "expected text" what to write
 * instead; `0` is the one number that needs no unit.
 */
function notation<T>(parse: (text: string) => Parsed<T>, expects: string, pattern: string, examples: string[]) {
  const number: FieldMeta = parse('0').ok ? { expects, zero: true } : { expects, unlisted: true };
  return z
    .union([z.string().meta({ expects, pattern, examples }), z.number().meta({ ...number })])
    .transform((written, context): T => {
      const parsed = parse(String(written));
      if (parsed.ok) return parsed.value;
      context.addIssue({ code: 'custom', message: parsed.message, params: { remedy: parsed.remedy } });
      return z.NEVER;
    });
}

function bounded(parse: (text: string) => Parsed<number>, bounds: Bounds, format: (value: number) => string) {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = bounds;
  return (text: string): Parsed<number> => {
    const parsed = parse(text);
    if (!parsed.ok || (parsed.value >= min && parsed.value <= max)) return parsed;
    const [word, bound] = parsed.value < min ? ['least', min] : ['most', max];
    const message = `this must be at ${word} \`${format(bound)}\``;
    return { ok: false, message, remedy: `Write \`${format(bound)}\` or ${word === 'least' ? 'more' : 'less'}.` };
  };
}

/** `250ms`, `5s`, `1h30m` → milliseconds. */
export function duration(bounds: Bounds = {}) {
  const parse = bounded(parseDuration, bounds, formatDuration);
  return notation(parse, 'a duration such as `5s`', patterns.duration, ['250ms', '5s', '10m', '1h']);
}

/** `64KiB`, `1MB` → bytes. */
export function size(bounds: Bounds = {}) {
  const parse = bounded(parseSize, bounds, formatSize);
  return notation(parse, 'a size such as `64KiB`', patterns.size, ['64KiB', '1MiB']);
}

/** `20%` → 0.2. */
export function percent() {
  return notation(parsePercent, 'a percentage such as `20%`', patterns.percent, ['20%']);
}

/** `300/min`, `300/min by address` → limit, period and what is counted apart. */
export function rate(): z.ZodType<Rate> {
  return notation(parseRate, 'a rate such as `300/min`', patterns.rate, ['10/s', '300/min', '300/min by address']);
}

/** One item or a list of them; a list comes out either way. */
export function listOf<T extends z.ZodType>(item: T) {
  return z
    .union([z.array(item), item])
    .transform((value): z.output<T>[] => (Array.isArray(value) ? value : [value as z.output<T>]));
}

/** Text that is never printed. Hand it a stricter field for more than "not empty". */
export function secret(): z.ZodString;
export function secret<T extends z.ZodType>(field: T): T;
export function secret(field: z.ZodType = z.string().min(1)): z.ZodType {
  return field.meta({ ...field.meta(), secret: true } satisfies FieldMeta);
}

/** A private key as PEM text, which is secret, or the path of its file, which is not. */
export function privateKey() {
  return z
    .string()
    .min(1)
    .meta({ secret: (text) => text.includes('-----BEGIN') } satisfies FieldMeta);
}

/** Options of which every one has a default: `true` stands for all of them. */
export function orTrue<T extends z.ZodType>(options: T) {
  return z.union([z.literal(true).transform((): z.output<T> => options.parse({})), options]);
}

/** A map with free keys. */
export function mapOf<T extends z.ZodType>(value: T) {
  return z.record(z.string(), value);
}

/** A map with free keys whose entries are inherited one by one, and turned off one by one with `false`. */
export function namedMap<T extends z.ZodType>(value: T, name: z.ZodString = z.string()) {
  return z.record(name, z.union([value, z.literal(false)])).meta({ mergeByName: true } satisfies FieldMeta);
}

/** An absolute `http:` or `https:` URL; it comes out as written. */
export function httpUrl() {
  return z
    .string()
    .meta({ expects: 'a URL such as `http://127.0.0.1:3000`', examples: ['http://127.0.0.1:3000'] })
    .superRefine((text, context) => {
      const url = URL.parse(text);
      if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:')) return;
      const remedy = 'Write for instance `http://127.0.0.1:3000` or `https://orders.example`.';
      context.addIssue({ code: 'custom', message: 'this is not an http or https URL', params: { remedy } });
    });
}

/** A regular expression for `LinearRegex`; it comes out as text, so that the plan stays plain data. */
export function regex() {
  return z
    .string()
    .min(1)
    .meta({ expects: 'a regular expression' })
    .superRefine((text, context) => {
      const parsed = LinearRegex.parse(text);
      if (!parsed.ok) context.addIssue({ code: 'custom', message: parsed.message, params: { remedy: parsed.remedy } });
    });
}

/** An address or a network in CIDR notation; it comes out as text. */
export function network() {
  return z
    .string()
    .meta({ expects: 'an address or network such as `10.0.0.0/8`', examples: ['10.0.0.0/8', '192.0.2.7', '::1'] })
    .superRefine((text, context) => {
      const parsed = parseNetwork(text);
      if (!parsed.ok) context.addIssue({ code: 'custom', message: parsed.message, params: { remedy: parsed.remedy } });
    });
}

/** The name of a header field; it comes out in lower case. */
export function headerName() {
  return z
    .string()
    .meta({ expects: 'the name of a header such as `x-tenant`', pattern: HEADER_NAME.source })
    .transform((text, context) => {
      if (HEADER_NAME.test(text)) return text.toLowerCase();
      const remedy = 'Use letters, digits and `-`, such as `x-tenant`.';
      context.addIssue({ code: 'custom', message: 'this is not the name of a header', params: { remedy } });
      return z.NEVER;
    });
}

/** A whole number within bounds, both included. */
export function count(min = 0, max: number = Number.MAX_SAFE_INTEGER) {
  return z.int().min(min).max(max);
}
