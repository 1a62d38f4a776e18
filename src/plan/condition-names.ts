import type { ASTNode } from '@marcbachmann/cel-js';
import { suggest } from '../base/suggest.ts';
import { LinearRegex } from '../semantics/linear-regex.ts';
import type { Readers, TextReader } from './condition-values.ts';
import type { Fact } from './policy.ts';
import { encoderFor, resolveName } from './template-values.ts';

/** The names and functions of a condition's tree: what it reads, and what is wrong with them beyond their types. */
export interface ConditionNames {
  readonly reads: readonly Fact[];
  readonly usesParameters: boolean;
  readonly readers: ReadonlyMap<string, Readers>;
}

export class ConditionTrouble extends Error {
  readonly code: 'invalid-condition' | 'unknown-name';
  readonly remedy: string;
  readonly offset: number;

  constructor(code: ConditionTrouble['code'], message: string, remedy: string, offset: number) {
    super(message);
    this.code = code;
    this.remedy = remedy;
    this.offset = offset;
  }
}

/** Throws `ConditionTrouble`. Patterns of `matches` are put in their compiled form into the tree. */
export function readNames(text: string, tree: ASTNode, routeParameters: readonly string[]): ConditionNames {
  const reader = new NameReader(text, routeParameters);
  reader.visit(tree);
  return { reads: [...reader.reads], usesParameters: reader.usesParameters, readers: reader.readers };
}

/** Roots with a part of the reader's choice. */
const FREE: ReadonlySet<string> = new Set(['path', 'query', 'header', 'cookie']);
const FIXED: ReadonlySet<string> = new Set(['identity', 'client', 'request', 'route']);
/** The clock, time zones, regular expressions in text and lists made of text stay out: their cost is not bounded. */
const FUNCTIONS: ReadonlySet<string> = new Set(['has', 'size', 'string', 'int', 'double', 'bool']);
const QUANTIFIERS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one']);
const METHODS: ReadonlySet<string> = new Set([
  ...QUANTIFIERS,
  ...['size', 'contains', 'startsWith', 'endsWith', 'matches', 'indexOf', 'lastIndexOf', 'substring', 'trim'],
]);
/** For the reference. */
export const conditionFunctions: readonly string[] = [...new Set([...FUNCTIONS, ...METHODS])].sort();

const WORD = /^[A-Za-z_][A-Za-z0-9_]*$/;

type Call = Extract<ASTNode, { op: 'rcall' }>;

interface Chain {
  readonly root: string;
  readonly keys: readonly string[];
}

class NameReader {
  readonly reads = new Set<Fact>();
  readonly readers = new Map<string, Map<string, TextReader>>();
  usesParameters = false;
  readonly #text: string;
  readonly #parameters: readonly string[];
  /** The variable of the quantifier around, or null: there is one at most. */
  #local: string | null = null;

  constructor(text: string, parameters: readonly string[]) {
    this.#text = text;
    this.#parameters = parameters;
  }

  visit(node: ASTNode): void {
    if (node.op === 'id') this.#bare(node.args, node);
    else if (node.op === '.' || node.op === '[]') this.#access(node);
    else if (node.op === 'in') this.#membership(node.args[0], node.args[1], node);
    else if (node.op === 'call') this.#function(node.args[0], node.args[1], node);
    else if (node.op === 'rcall') this.#method(node);
    else if (node.op === 'map') for (const entry of node.args) this.#all(entry);
    else if (node.op === '!_' || node.op === '-_') this.visit(node.args);
    else if (node.op === '-') this.#difference(node.args[0], node.args[1], node);
    else if (node.op === '.?' || node.op === '[?]') throw this.#invalid('`?` is unknown here', 'Ask `has(…)`.', node);
    else if (node.op !== 'value') this.#all(node.args);
  }

  #all(nodes: readonly ASTNode[]): void {
    for (const node of nodes) this.visit(node);
  }

  /** A name without a member behind it. */
  #bare(name: string, node: ASTNode): void {
    if (name === this.#local) return;
    if (!FREE.has(name) && !FIXED.has(name)) this.#resolve({ root: name, keys: [] }, node);
    const remedy =
      name === 'identity'
        ? 'Name one of its members, or ask `has(identity.id)`.'
        : `Write for instance \`${FREE.has(name) ? `${name}['…']` : `${name}.…`}\`.`;
    throw this.#invalid(`\`${name}\` is no value of its own`, remedy, node);
  }

  #access(node: Extract<ASTNode, { op: '.' | '[]' }>): void {
    const chain = chainOf(node);
    if (chain !== null) {
      if (chain.root !== this.#local) this.#resolve(chain, node);
      return;
    }
    const [base, key] = node.args;
    if (base.op === 'id' && FREE.has(base.args)) {
      throw this.#invalid(`the name behind \`${base.args}\` is written out`, `Write \`${base.args}['…']\`.`, node);
    }
    this.visit(base);
    if (typeof key !== 'string') this.visit(key);
  }

  #membership(item: ASTNode, collection: ASTNode, node: ASTNode): void {
    if (collection.op === 'id' && FREE.has(collection.args) && collection.args !== this.#local) {
      if (item.op === 'value' && typeof item.args === 'string') {
        this.#resolve({ root: collection.args, keys: [item.args] }, node);
        return;
      }
      const remedy = `Write \`'…' in ${collection.args}\`.`;
      throw this.#invalid(`the name looked for in \`${collection.args}\` is written out`, remedy, node);
    }
    this.visit(item);
    this.visit(collection);
  }

  #function(name: string, args: readonly ASTNode[], node: ASTNode): void {
    if (!FUNCTIONS.has(name)) throw this.#unknownFunction(name, FUNCTIONS, node);
    const [only] = args;
    if (name === 'has' && (only === undefined || only.op !== '.')) {
      const chain = only === undefined ? null : chainOf(only);
      const remedy =
        chain !== null && chain.keys.length === 1
          ? `Write \`'${chain.keys[0]}' in ${chain.root}\`.`
          : 'Write for instance `has(identity.claims.team)`.';
      throw this.#invalid('`has` asks for a member behind a dot', remedy, node);
    }
    this.#all(args);
  }

  #method(node: Call): void {
    const [name, receiver, args] = node.args;
    if (!METHODS.has(name)) throw this.#unknownFunction(name, METHODS, node);
    this.visit(receiver);
    if (QUANTIFIERS.has(name)) this.#quantifier(name, args, node);
    else if (name === 'matches') this.#matches(args, node);
    else this.#all(args);
  }

  #quantifier(name: string, args: readonly ASTNode[], node: ASTNode): void {
    const [variable, predicate] = args;
    if (variable?.op !== 'id' || predicate === undefined || args.length !== 2) {
      throw this.#invalid(`\`${name}\` takes a name and a condition`, `Write \`${name}(item, item == '…')\`.`, node);
    }
    if (this.#local !== null) {
      // Each would multiply the work of the one around it.
      throw this.#invalid('quantifiers are not nested', 'Use `in`, or split the condition.', node);
    }
    if (FREE.has(variable.args) || FIXED.has(variable.args)) {
      throw this.#invalid(`\`${variable.args}\` is taken`, 'Choose another name.', variable);
    }
    this.#local = variable.args;
    this.visit(predicate);
    this.#local = null;
  }

  #matches(args: readonly ASTNode[], node: ASTNode): void {
    const [pattern] = args;
    if (pattern?.op !== 'value' || typeof pattern.args !== 'string') {
      throw this.#invalid('the pattern of `matches` is written out', "Write `matches('^…$')`.", node);
    }
    const parsed = LinearRegex.parse(pattern.args);
    if (!parsed.ok) throw this.#invalid(parsed.message, parsed.remedy, pattern);
    Object.assign(pattern, { args: parsed.value });
  }

  #resolve({ root, keys }: Chain, node: ASTNode): void {
    if (root === 'identity' && keys.length === 1 && keys[0] === 'claims') {
      this.reads.add('identity');
      return;
    }
    const source = [root, ...keys].join('.');
    const value = resolveName({ root, keys, source, offset: node.start }, this.#parameters);
    if ('problem' in value) {
      const { message, remedy } = value.problem;
      throw new ConditionTrouble('unknown-name', inCel(message), inCel(remedy), node.start);
    }
    if (value.fact !== null) this.reads.add(value.fact);
    this.usesParameters ||= value.isParameter;
    if (!FREE.has(root)) return;
    const named = this.readers.get(root) ?? new Map<string, TextReader>();
    this.readers.set(root, named);
    named.set(keys[0] as string, encoderFor(value, 'text'));
  }

  /** `header.x-tenant` is what a template has, and a subtraction here. */
  #difference(left: ASTNode, right: ASTNode, node: ASTNode): void {
    const chain = left.op === '.' ? chainOf(left) : null;
    if (chain !== null && FREE.has(chain.root) && right.op === 'id' && right.start === left.end + 1) {
      const written = this.#text.slice(node.start, node.end);
      const name = written.slice(chain.root.length + 1);
      throw this.#invalid(`\`${written}\` is a subtraction`, `Write \`${chain.root}['${name}']\`.`, node);
    }
    this.visit(left);
    this.visit(right);
  }

  #unknownFunction(name: string, known: ReadonlySet<string>, node: ASTNode): ConditionTrouble {
    const near = suggest(name, known);
    const list = [...known].map((each) => `\`${each}\``).join(', ');
    const remedy = near === null ? `Known are ${list}.` : `Did you mean \`${near}\`?`;
    return new ConditionTrouble('unknown-name', `there is no function \`${name}\``, remedy, node.start);
  }

  #invalid(message: string, remedy: string, { start }: ASTNode): ConditionTrouble {
    return new ConditionTrouble('invalid-condition', message, remedy, start);
  }
}

/** Null unless it is a name with members that are all written out. */
function chainOf(node: ASTNode): Chain | null {
  const keys: string[] = [];
  let at = node;
  while (at.op === '.' || at.op === '[]') {
    const key: unknown = at.op === '.' ? at.args[1] : at.args[1].op === 'value' ? at.args[1].args : null;
    if (typeof key !== 'string') return null;
    keys.unshift(key);
    at = at.args[0];
  }
  return at.op === 'id' ? { root: at.args, keys } : null;
}

/** Words about templates, about conditions: `{header.x-tenant}` is `header['x-tenant']` here. */
function inCel(words: string): string {
  return words.replaceAll(/`\{([^`]*)\}`/g, (_all, name: string) => `\`${celName(name)}\``);
}

function celName(name: string): string {
  const [root = '', ...keys] = name.split('.');
  if (!FREE.has(root)) return name;
  const key = keys.join('.');
  return WORD.test(key) || key === '…' ? name : `${root}['${key}']`;
}
