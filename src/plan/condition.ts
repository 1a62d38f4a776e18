import { EvaluationError, ParseError } from '@marcbachmann/cel-js';
import { ConditionTrouble, readNames } from './condition-names.ts';
import { contextOf, environment, subject, ValueTooLong } from './condition-values.ts';
import type { Exchange } from './exchange.ts';
import type { Fact } from './policy.ts';

/**
 * A question about a request, in CEL (https://cel.dev): `identity.id == path.id || 'admin' in identity.roles`. It sees
 * the names that templates see; is compiled and type-checked once; reads what it names and nothing else (0.1 to 0.5 µs
 * an evaluation). Its cost is bounded when it is written: by length, by what may be called, and by one quantifier at a
 * time; and when it runs, by the length of what it works on.
 */
class Expression {
  /** As written. */
  readonly source: string;
  /** What a policy has to find out before this can be evaluated. */
  readonly reads: readonly Fact[];
  /** Refers to path parameters by their position in the route it was compiled for. */
  readonly usesParameters: boolean;
  readonly #evaluate: (context: Record<string, object>) => unknown;
  readonly #context: Record<string, object>;
  readonly #failed: FailureListener | null;

  constructor(
    source: string,
    evaluate: (context: Record<string, object>) => unknown,
    context: Record<string, object>,
    reads: readonly Fact[],
    usesParameters: boolean,
    failed: FailureListener | null,
  ) {
    this.source = source;
    this.#evaluate = evaluate;
    this.#context = context;
    this.reads = reads;
    this.usesParameters = usesParameters;
    this.#failed = failed;
  }

  /** Undefined: it cannot be evaluated. */
  protected value(exchange: Exchange): unknown {
    subject.exchange = exchange;
    try {
      return this.#evaluate(this.#context);
    } catch (error) {
      this.#failed?.({ condition: this, why: this.#why(error), exchange });
      return undefined;
    }
  }

  /** Why it cannot be evaluated for this request, in words without any value of it; null: it can. */
  failure(exchange: Exchange): string | null {
    subject.exchange = exchange;
    try {
      this.#evaluate(this.#context);
      return null;
    } catch (error) {
      return this.#why(error);
    }
  }

  #why(error: unknown): string {
    if (error instanceof ValueTooLong) return 'a value is too long';
    if (!(error instanceof EvaluationError)) return 'it failed';
    const { node, code } = error;
    const part = node === undefined ? '' : `\`${this.source.slice(node.start, node.end)}\` `;
    return code === 'no_such_key' ? `${part}is missing` : `${part}does not work out (${code.replaceAll('_', ' ')})`;
  }
}

/** A question with yes or no. */
export class Condition extends Expression {
  /** False also when it cannot be evaluated: what is not known to hold does not. */
  holds(exchange: Exchange): boolean {
    return this.value(exchange) === true;
  }

  /** For who must tell the two apart; undefined: it cannot be evaluated. */
  evaluate(exchange: Exchange): boolean | undefined {
    const value = this.value(exchange);
    return value === undefined ? undefined : value === true;
  }
}

/** How many, by the same rules: `size(query) + 1`. */
export class Quantity extends Expression {
  /** A whole number from 0, rounded up; undefined: it cannot be evaluated, or is less or not a number. */
  of(exchange: Exchange): number | undefined {
    const value = this.value(exchange);
    const number = typeof value === 'bigint' ? Number(value) : value;
    return typeof number === 'number' && number >= 0 && number <= Number.MAX_SAFE_INTEGER
      ? Math.ceil(number)
      : undefined;
  }
}

export interface ConditionFailure {
  readonly condition: Expression;
  readonly why: string;
  readonly exchange: Exchange;
}
export type FailureListener = (failure: ConditionFailure) => void;

export interface ConditionProblem {
  readonly code: 'invalid-condition' | 'unknown-name';
  readonly message: string;
  readonly remedy: string;
  /** Where in the text, from 0. */
  readonly offset: number;
}

export type CompiledCondition =
  | { condition: Condition; problem: null }
  | { condition: null; problem: ConditionProblem };
export type CompiledQuantity = { quantity: Quantity; problem: null } | { quantity: null; problem: ConditionProblem };

const MAX_LENGTH = 2_000;

/** Compiles a condition against the names of a route; `failed` hears of evaluations that end in an error. */
export function compileCondition(
  text: string,
  routeParameters: readonly string[],
  failed: FailureListener | null = null,
): CompiledCondition {
  const made = compile(Condition, ['bool'], text, routeParameters, failed);
  return made instanceof Condition ? { condition: made, problem: null } : { condition: null, problem: made };
}

/** The same for an expression whose value is a number. */
export function compileQuantity(
  text: string,
  routeParameters: readonly string[],
  failed: FailureListener | null = null,
): CompiledQuantity {
  const made = compile(Quantity, ['int', 'uint', 'double'], text, routeParameters, failed);
  return made instanceof Quantity ? { quantity: made, problem: null } : { quantity: null, problem: made };
}

function compile<E extends Expression>(
  Kind: new (...parts: ConstructorParameters<typeof Expression>) => E,
  types: readonly string[],
  text: string,
  routeParameters: readonly string[],
  failed: FailureListener | null,
): E | ConditionProblem {
  try {
    if (text.length > MAX_LENGTH) {
      throw trouble(`a condition has at most ${MAX_LENGTH} characters`, 'Split it into several.', MAX_LENGTH);
    }
    const evaluate = environment.parse(text);
    const { reads, usesParameters, readers } = readNames(text, evaluate.ast, routeParameters);
    const { valid, type = '', error } = evaluate.check();
    if (!valid) throw error;
    if (!types.includes(type)) throw types.includes('bool') ? notBoolean(type) : notNumber(type);
    return new Kind(text, evaluate, contextOf(readers), reads, usesParameters, failed);
  } catch (error) {
    const { code, message, remedy, offset } = error instanceof ConditionTrouble ? error : worded(text, error);
    return { code, message, remedy, offset };
  }
}

/** Stands in for one that does not compile: it holds for nothing. */
export function neverHolds(): Condition {
  return new Condition('false', () => false, {}, [], false, null);
}

/** The same for a number. */
export function nothing(): Quantity {
  return new Quantity('0', () => 0, {}, [], false, null);
}

function trouble(message: string, remedy: string, offset: number): ConditionTrouble {
  return new ConditionTrouble('invalid-condition', message, remedy, offset);
}

function notBoolean(type: string): ConditionTrouble {
  const what = type === 'dyn' ? 'of a type that only the request knows' : `of the type \`${type}\``;
  const remedy = type === 'dyn' ? 'Compare it: `… == true`.' : "Compare it, for instance with `== '…'`.";
  return trouble(`a condition is true or false, and this is ${what}`, remedy, 0);
}

function notNumber(type: string): ConditionTrouble {
  const what = type === 'dyn' ? 'of a type that only the request knows' : `of the type \`${type}\``;
  const remedy = type === 'dyn' ? 'Convert it: `int(…)`.' : 'Write for instance `condition ? 5 : 1`.';
  return trouble(`this has to be a number, and is ${what}`, remedy, 0);
}

/** What the library finds wrong, in words for whoever wrote the condition. */
function worded(text: string, error: unknown): ConditionTrouble {
  const { code, summary, range } = error as Partial<Pick<ParseError, 'code' | 'summary' | 'range'>>;
  if (code === undefined || summary === undefined) throw error;
  const offset = range?.start ?? 0;
  if (code === 'limit_exceeded') return trouble('this condition is too long', 'Split it into several.', offset);
  if (code === 'invalid_macro_argument') {
    return trouble('`all` and `exists` take a name and a condition', "Write `exists(item, item == '…')`.", offset);
  }
  const said = summary.charAt(0).toLowerCase() + summary.slice(1);
  if (error instanceof ParseError) return trouble(`this is no condition: ${said}`, parseRemedy(text), offset);
  const types = summary.replace(/^[^:]*: |^found no matching overload for /, '').replaceAll("'", '');
  if (code === 'no_such_overload' || code === 'no_matching_overload') {
    const remedy = types.includes('null')
      ? 'Ask `has(…)` for what may be missing.'
      : 'Compare what is of one type; `string(…)`, `int(…)` and `double(…)` convert.';
    return trouble(`\`${types}\` does not go together`, remedy, offset);
  }
  return trouble(said, 'Compare what is of one type.', offset);
}

/** Habits from elsewhere. */
function parseRemedy(text: string): string {
  const outside = text.replaceAll(/"[^"]*"|'[^']*'/g, "''");
  if (/(?<![=!<>])=(?!=)/.test(outside)) return 'Write `==` to compare.';
  if (/\b(?:and|or|not)\b/i.test(outside)) return 'Write `&&`, `||` and `!`.';
  if (/(?<!&)&(?!&)|(?<!\|)\|(?!\|)/.test(outside)) return 'Write `&&` and `||`.';
  if (/[{}]/.test(outside)) return 'Names stand without braces: `identity.id`.';
  return "Write for instance `identity.id == path.id || 'admin' in identity.roles`.";
}
