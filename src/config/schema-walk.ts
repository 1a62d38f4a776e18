import { z } from 'zod';
import type { FieldMeta } from '../plan/fields.ts';
import type { KeyPath } from './key-path.ts';

/** The parts of zod's schema definitions that a walk needs; one shape stands for all kinds. */
interface Definition {
  type: string;
  shape?: Record<string, z.ZodType>;
  catchall?: z.ZodType;
  keyType?: z.ZodType;
  valueType?: z.ZodType;
  element?: z.ZodType;
  items?: z.ZodType[];
  rest?: z.ZodType | null;
  options?: z.ZodType[];
  left?: z.ZodType;
  right?: z.ZodType;
  innerType?: z.ZodType;
  in?: z.ZodType;
  out?: z.ZodType;
  getter?: () => z.ZodType;
  values?: unknown[];
  entries?: Record<string, string | number>;
  format?: string;
}

export function definitionOf(schema: z.ZodType): Definition {
  return schema._zod.def as unknown as Definition;
}

export function metaOf(schema: z.ZodType): FieldMeta & { description?: string } {
  return (z.globalRegistry.get(schema) ?? {}) as FieldMeta & { description?: string };
}

/** A schema that is no wrapper and no union, with the marks that its wrappers carry. */
export interface Leaf {
  schema: z.ZodType;
  expects: string | undefined;
  /** A text may tell by itself whether it is. */
  secret: Secrecy;
}

type Secrecy = boolean | ((text: string) => boolean);

const leavesOf = new WeakMap<z.ZodType, Leaf[]>();

/** What a schema accepts as input, one by one: unions split up, wrappers taken off. */
export function leaves(schema: z.ZodType): Leaf[] {
  const known = leavesOf.get(schema);
  if (known !== undefined) return known;
  // A schema that contains itself finds this empty list instead of a loop.
  leavesOf.set(schema, []);
  const definition = definitionOf(schema);
  const meta = metaOf(schema);
  const inner = unwrap(definition);
  const found =
    inner === null
      ? [{ schema, expects: meta.expects, secret: meta.secret ?? false }]
      : inner.flatMap(leaves).map((leaf) => ({
          schema: leaf.schema,
          expects: meta.expects ?? leaf.expects,
          secret: meta.secret ?? leaf.secret,
        }));
  leavesOf.set(schema, found);
  return found;
}

function unwrap(definition: Definition): z.ZodType[] | null {
  if (definition.type === 'union') return definition.options ?? [];
  if (definition.type === 'intersection')
    return [definition.left, definition.right].filter((side) => side !== undefined);
  if (definition.type === 'lazy') return definition.getter === undefined ? null : [definition.getter()];
  if (definition.type === 'pipe') {
    // `z.preprocess` is a pipe that starts with a transform: what it takes is said by what follows.
    const starts = definition.in !== undefined && definitionOf(definition.in).type === 'transform';
    const taken = starts ? definition.out : definition.in;
    return taken === undefined ? null : [taken];
  }
  return definition.innerType === undefined ? null : [definition.innerType];
}

/** The leaves that may hold at a key below any of these. */
export function step(from: Leaf[], key: string | number): Leaf[] {
  return from.flatMap((leaf) => {
    const definition = definitionOf(leaf.schema);
    let child: z.ZodType | null | undefined;
    if (definition.type === 'object') {
      const named = Object.hasOwn(definition.shape ?? {}, key) ? definition.shape?.[key] : undefined;
      child = named ?? definition.catchall;
    } else if (definition.type === 'record') child = definition.valueType;
    else if (definition.type === 'array' && typeof key === 'number') child = definition.element;
    else if (definition.type === 'tuple' && typeof key === 'number') child = definition.items?.[key] ?? definition.rest;
    if (child === null || child === undefined || definitionOf(child).type === 'never') return [];
    const below = leaves(child);
    return leaf.secret ? below.map((each) => ({ ...each, secret: true })) : below;
  });
}

export function leavesAt(schema: z.ZodType, path: KeyPath): Leaf[] {
  let current = leaves(schema);
  for (const key of path) {
    const below = step(current, key);
    // The item of a list may be written alone, and then the path in the text is one step shorter.
    current = below.length > 0 || typeof key !== 'number' ? below : current;
  }
  return current;
}

/**
 * What stands deeper than the schema goes is as secret as the place it was put into. Without a value: whether some value
 * would be.
 */
export function isSecret(schema: z.ZodType, path: KeyPath, value?: unknown): boolean {
  let current = leaves(schema);
  for (const key of path) {
    const below = step(current, key);
    if (below.length === 0) break;
    current = below;
  }
  return current.some(({ secret }) => {
    return typeof secret === 'function' ? value === undefined || secret(String(value)) : secret;
  });
}

/** The fixed keys of the objects among these, in the order of the schema. */
export function knownKeys(from: Leaf[]): string[] {
  const keys = new Set<string>();
  for (const { schema } of from) for (const key of Object.keys(definitionOf(schema).shape ?? {})) keys.add(key);
  return [...keys];
}

export function acceptsText(from: Leaf[]): boolean {
  return from.some(({ schema }) => {
    const definition = definitionOf(schema);
    if (definition.type === 'literal') return definition.values?.some((value) => typeof value === 'string') ?? false;
    return ['string', 'enum', 'template_literal'].includes(definition.type);
  });
}

/** In words, what these accept: `text`, `a list`, `` `true` or `false` ``; the same words once. */
export function expectations(from: Leaf[]): string[] {
  const words = new Set<string>();
  for (const leaf of from) for (const word of expectationOf(leaf)) words.add(word);
  const last = ['a map', 'a list'].filter((word) => words.delete(word));
  return [...words, ...last];
}

const PLAIN_WORDS: Record<string, string> = {
  string: 'text',
  template_literal: 'text',
  number: 'a number',
  int: 'a whole number',
  null: 'nothing',
  array: 'a list',
  tuple: 'a list',
  object: 'a map',
  record: 'a map',
};

function expectationOf(leaf: Leaf): string[] {
  const definition = definitionOf(leaf.schema);
  if (leaf.expects !== undefined && definition.type !== 'literal') return [leaf.expects];
  if (definition.type === 'literal') return (definition.values ?? []).map((value) => `\`${String(value)}\``);
  if (definition.type === 'enum') return Object.values(definition.entries ?? {}).map((value) => `\`${value}\``);
  if (definition.type === 'boolean') return ['`true`', '`false`'];
  if (definition.type === 'number' && definition.format?.includes('int')) return ['a whole number'];
  return [PLAIN_WORDS[definition.type] ?? 'another value'];
}

/** `a, b or c`. */
export function either(words: string[]): string {
  const last = words.at(-1) ?? '';
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} or ${last}`;
}
