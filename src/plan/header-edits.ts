import { z } from 'zod';
import { type FieldName, fieldName, type HeaderBlock } from '../base/headers.ts';
import type { Exchange } from './exchange.ts';
import { HEADER_NAME, headerName, listOf, mapOf, namedMap } from './fields.ts';
import type { CompileEnv, Fact } from './policy.ts';
import type { Template } from './template.ts';
import { parseTemplate } from './template-syntax.ts';

/** Changes of header fields, of requests and responses alike: `remove`, `rename`, `set`, `add`, done in this order. */

/** Who frames a message decides over these (RFC 9110, 7.6.1; RFC 9112, 6): the codec, and never a rule. */
export const framingFields: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

export type Direction = 'request' | 'response';

/** Why a rule cannot set, add or remove a field of this name. */
export function nameProblem(name: string, direction: Direction): { message: string; remedy: string } | null {
  const lower = name.toLowerCase();
  if (!HEADER_NAME.test(name)) {
    return { message: 'this is not the name of a header', remedy: 'Use letters, digits and `-`, such as `x-tenant`.' };
  }
  if (framingFields.has(lower)) {
    return {
      message: `\`${lower}\` belongs to the connection, not to the message`,
      remedy: 'Leave it to the gateway.',
    };
  }
  if (direction === 'request' && lower === 'host') {
    return { message: '`host` is chosen by the upstream', remedy: 'Set `hostHeader` of the upstream instead.' };
  }
  return null;
}

function checkName(name: string, direction: Direction, context: z.RefinementCtx, path: (string | number)[]): void {
  const problem = nameProblem(name, direction);
  if (problem === null) return;
  context.addIssue({ code: 'custom', message: problem.message, path, params: { remedy: problem.remedy } });
}

function checkNames(direction: Direction) {
  return (map: Record<string, unknown>, context: z.RefinementCtx): void => {
    for (const name of Object.keys(map)) checkName(name, direction, context, [name]);
  };
}

/** Text with templates; a number is as good as its digits. */
const value = z.union([z.string(), z.number()]).transform(String);

export function headerEdits(direction: Direction) {
  const editable = headerName().superRefine((name, context) => checkName(name, direction, context, []));
  return z.strictObject({
    set: namedMap(value)
      .superRefine(checkNames(direction))
      .meta({ mergeByName: true })
      .optional()
      .describe('Fields and their values, which are templates. A missing value removes the field.'),
    add: mapOf(listOf(value))
      .superRefine(checkNames(direction))
      .optional()
      .describe('The same, beside what is there already. A missing value adds nothing.'),
    remove: listOf(editable).optional().describe('Fields that go no further.'),
    rename: mapOf(editable)
      .superRefine(checkNames(direction))
      .optional()
      .describe('Old names and new ones; the value stays. A field that is missing changes nothing.'),
  });
}

export type HeaderEditOptions = z.output<ReturnType<typeof headerEdits>>;

interface Line {
  readonly name: FieldName;
  readonly value: Template;
}

export class HeaderEdits {
  readonly reads: readonly Fact[];
  readonly #removed: readonly FieldName[];
  readonly #renamed: readonly (readonly [FieldName, FieldName])[];
  readonly #set: readonly Line[];
  readonly #added: readonly Line[];

  constructor(
    removed: readonly FieldName[],
    renamed: readonly (readonly [FieldName, FieldName])[],
    set: readonly Line[],
    added: readonly Line[],
  ) {
    this.#removed = removed;
    this.#renamed = renamed;
    this.#set = set;
    this.#added = added;
    this.reads = [...set, ...added].flatMap((line) => line.value.reads);
  }

  get isEmpty(): boolean {
    return this.#removed.length + this.#renamed.length + this.#set.length + this.#added.length === 0;
  }

  apply(headers: HeaderBlock, exchange: Exchange): void {
    for (let i = 0; i < this.#removed.length; i++) headers.remove(this.#removed[i] as FieldName);
    for (let i = 0; i < this.#renamed.length; i++) {
      const [from, to] = this.#renamed[i] as readonly [FieldName, FieldName];
      const text = headers.getAll(from);
      if (text === undefined) continue;
      headers.remove(from);
      headers.set(to, text);
    }
    for (let i = 0; i < this.#set.length; i++) {
      const { name, value: template } = this.#set[i] as Line;
      const text = template.render(exchange);
      // Not even the client's own field of that name may then stand there: the service takes it for ours.
      if (text === undefined) headers.remove(name);
      else headers.set(name, text);
    }
    for (let i = 0; i < this.#added.length; i++) {
      const { name, value: template } = this.#added[i] as Line;
      const text = template.render(exchange);
      if (text !== undefined) headers.add(name, text);
    }
  }
}

/** The fields that are filled from who calls. */
export function identityFieldsIn({ set = {}, add = {} }: HeaderEditOptions): string[] {
  return [...Object.entries(set), ...Object.entries(add)].flatMap(([name, given]) => {
    const texts = given === false ? [] : Array.isArray(given) ? given : [given];
    return texts.some(readsIdentity) ? [name] : [];
  });
}

function readsIdentity(text: string): boolean {
  if (!text.includes('{identity')) return false;
  const parsed = parseTemplate(text);
  return 'parts' in parsed && parsed.parts.some((part) => typeof part !== 'string' && part.root === 'identity');
}

/** Null when nothing is to be done; `path` is where the options stand inside the policy's. */
export function compileHeaderEdits(
  options: HeaderEditOptions | undefined,
  env: CompileEnv,
  path: readonly (string | number)[],
): HeaderEdits | null {
  if (options === undefined) return null;
  const { set = {}, add = {}, remove = [], rename = {} } = options;
  const edits = new HeaderEdits(
    remove.map(fieldName),
    Object.entries(rename).map(([from, to]) => [fieldName(from), fieldName(to)] as const),
    Object.entries(set).flatMap(([name, text]) =>
      text === false ? [] : [{ name: fieldName(name), value: env.template(text, 'header', [...path, 'set', name]) }],
    ),
    Object.entries(add).flatMap(([name, texts]) =>
      texts.map((text, index) => {
        const place = texts.length === 1 ? [...path, 'add', name] : [...path, 'add', name, index];
        return { name: fieldName(name), value: env.template(text, 'header', place) };
      }),
    ),
  );
  return edits.isEmpty ? null : edits;
}
