import { z } from 'zod';
import { formatDuration, formatPercent, formatSize } from '../src/base/units.ts';

/** Tables of options, out of schemas. */

/** The parts of a JSON Schema that the reference tells. */
export interface Schema {
  type?: string | string[];
  description?: string;
  expects?: string;
  zero?: boolean;
  mergeByName?: boolean;
  default?: unknown;
  /** A default that the form for writing cannot say: what it is read as. */
  parsedDefault?: unknown;
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | false;
  items?: Schema;
}

export interface Row {
  readonly name: string;
  readonly takes: string;
  readonly fallback: string;
  readonly description: string;
}

export function schemaOf(schema: z.ZodType): Schema {
  return z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      if (!(zodSchema instanceof z.ZodDefault)) return;
      (jsonSchema as Schema).parsedDefault = zodSchema.def.defaultValue;
    },
  }) as Schema;
}

export function optionTable(rows: readonly Row[]): string[] {
  return ['| option | takes | default | |', '|---|---|---|---|', ...rows.map(rowText)];
}

/** Of a map with names of the user's choice. */
export function entriesOf({ additionalProperties }: Schema): Row[] {
  if (typeof additionalProperties !== 'object') return [];
  const entry = alternatives(additionalProperties).find(({ properties }) => properties !== undefined);
  const forms = { anyOf: alternatives(additionalProperties).filter((each) => each !== entry && each.const !== false) };
  const whole = { name: 'NAME', takes: takes(forms), fallback: '', description: 'A name of your choice.' };
  return entry === undefined ? [whole] : [whole, ...rowsOf(entry, 'NAME.')];
}

export function rowsOf(schema: Schema, prefix: string): Row[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, option]) => {
    const name = `${prefix}${key}`;
    const row = {
      name,
      takes: takes(option),
      fallback: fallbackOf(option, schema.required?.includes(key) === true),
      description: option.description ?? '',
    };
    return [row, ...innerRows(option, name)];
  });
}

/** Of a map with fixed keys, of each item of a list, or of each value of a map with names of the user's choice. */
function innerRows(option: Schema, name: string): Row[] {
  const forms = alternatives(option).flatMap((form) =>
    form.type === 'array' ? alternatives(form.items ?? {}) : [form],
  );
  const rows = forms.flatMap((form) => {
    if (form.properties !== undefined) return rowsOf(form, `${name}.`);
    return typeof form.additionalProperties === 'object' ? innerRows(form.additionalProperties, `${name}.NAME`) : [];
  });
  // Forms that differ in one option share the rest.
  return rows.filter((row, index) => rows.findIndex((other) => other.name === row.name) === index);
}

function rowText({ name, takes: what, fallback, description }: Row): string {
  const cells = [`\`${name}\``, what, fallback, description].map((cell) => cell.replaceAll('|', '\\|'));
  return `| ${cells.join(' | ')} |`;
}

export function alternatives(schema: Schema): Schema[] {
  return schema.anyOf === undefined ? [schema] : schema.anyOf.flatMap(alternatives);
}

function takes(schema: Schema): string {
  const forms = alternatives(schema).filter(({ zero }) => zero !== true);
  // A list or one of its items: told once.
  const items = forms.flatMap((form) => (form.type === 'array' ? alternatives(form.items ?? {}).map(oneTakes) : []));
  const words = forms
    .map(oneTakes)
    .filter((text) => !items.includes(text))
    .map((text) => text.replace(/^list of /, 'one or more: '));
  return [...new Set(words)].join(', or ');
}

function oneTakes(schema: Schema): string {
  if (schema.expects !== undefined) return schema.expects;
  if (schema.const !== undefined) return `\`${String(schema.const)}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (schema.type === 'array') return `list of ${takes(schema.items ?? {})}`;
  if (schema.type === 'object' && schema.properties === undefined) {
    const value = typeof schema.additionalProperties === 'object' ? takes(schema.additionalProperties) : '';
    return `a map${schema.mergeByName === true ? ' (merged by name)' : ''} of ${value}`;
  }
  const words: Record<string, string> = {
    boolean: '`true` or `false`',
    integer: 'a whole number',
    number: 'a number',
    object: 'a map',
    string: 'text',
  };
  if (schema.type === undefined) return 'anything';
  return [schema.type]
    .flat()
    .map((type) => words[type] ?? type)
    .join(' or ');
}

function fallbackOf(schema: Schema, isRequired: boolean): string {
  const value = schema.default ?? parsedDefault(schema);
  if (value === undefined) return isRequired ? 'required' : '';
  if (Array.isArray(value)) return value.map((item) => `\`${String(item)}\``).join(', ');
  // What a map is by default stands beside its options.
  return typeof value === 'object' ? '' : `\`${String(value)}\``;
}

function parsedDefault(schema: Schema): unknown {
  const { parsedDefault: value } = schema;
  const expects = alternatives(schema).map((form) => form.expects ?? '');
  if (typeof value !== 'number') return value;
  if (expects.some((text) => text.startsWith('a duration'))) return formatDuration(value);
  if (expects.some((text) => text.startsWith('a size'))) return formatSize(value);
  return expects.some((text) => text.startsWith('a percentage')) ? formatPercent(value) : value;
}
