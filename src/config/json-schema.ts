import { z } from 'zod';
import { metaOf } from './schema-walk.ts';

export interface JsonSchemaOptions {
  /** `$id` of the schema: where editors find it. */
  id?: string;
  title?: string;
}

type Json = Record<string, unknown>;

const REFERENCE = 'reference';
/** Marks of `.meta()` that only the checker reads. */
const MARKS = ['expects', 'secret', 'unlisted', 'zero', 'mergeByName'];

/** One JSON Schema (draft 2020-12) of what may be written, for editors: `# yaml-language-server: $schema=...`. */
export function toJsonSchema(schema: z.ZodType, options: JsonSchemaOptions = {}): Json {
  const made = z.toJSONSchema(schema, {
    target: 'draft-2020-12',
    io: 'input',
    reused: 'ref',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => refine(zodSchema as unknown as z.ZodType, jsonSchema as Json),
  }) as Json;
  const { $schema, $defs, '~standard': _standard, ...rest } = made;
  const definitions = { ...(($defs as Json | undefined) ?? {}), [REFERENCE]: reference };
  const head: Json = { $schema: $schema ?? 'https://json-schema.org/draft/2020-12/schema' };
  if (options.id !== undefined) head.$id = options.id;
  if (options.title !== undefined) head.title = options.title;
  if (typeof rest.properties === 'object') rest.properties = { $schema: { type: 'string' }, ...rest.properties };
  return { ...head, ...(withReferences(rest) as Json), $defs: mapValues(definitions, withReferences) };
}

/** Any scalar may be a reference instead of a value. */
const reference: Json = {
  type: 'string',
  pattern: '\\$\\{(env|file):[^}]+\\}',
  description: 'Taken from the environment or a file: `${env:NAME}`, `${env:NAME:-default}`, `${file:path}`.',
};

function refine(schema: z.ZodType, json: Json): void {
  const meta = metaOf(schema);
  if (Array.isArray(json.anyOf)) {
    json.anyOf = json.anyOf.filter((option: Json) => option.unlisted !== true);
    if ((json.anyOf as Json[]).length === 1) Object.assign(json, (json.anyOf as Json[])[0], { anyOf: undefined });
  }
  if (meta.secret !== undefined) json.writeOnly = true;
  if (meta.zero === true) {
    for (const key of Object.keys(json)) if (!MARKS.includes(key)) delete json[key];
    json.const = 0;
  }
  for (const mark of MARKS) if (mark !== 'unlisted') delete json[mark];
  // Bounds that zod adds of itself say nothing to whoever writes a number.
  if (json.maximum === Number.MAX_SAFE_INTEGER) delete json.maximum;
  if (json.minimum === Number.MIN_SAFE_INTEGER) delete json.minimum;
  if (json.type === 'object' && json.additionalProperties === false) {
    json.patternProperties = { ...((json.patternProperties as Json | undefined) ?? {}), '^x-': {} };
  }
  for (const key of Object.keys(json)) if (json[key] === undefined) delete json[key];
}

/** Numbers, booleans and texts of a fixed form get the reference as another way to write them. */
function withReferences(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withReferences);
  if (typeof value !== 'object' || value === null) return value;
  const json = value as Json;
  if (json === reference) return json;
  if (isFixedScalar(json)) {
    const { description, deprecated, default: fallback, ...rest } = json;
    const outer = Object.entries({ description, deprecated, default: fallback }).filter(
      ([, each]) => each !== undefined,
    );
    return { ...Object.fromEntries(outer), anyOf: [rest, { $ref: `#/$defs/${REFERENCE}` }] };
  }
  const copy: Json = {};
  for (const [key, child] of Object.entries(json)) {
    if (key === 'properties' || key === 'patternProperties' || key === '$defs')
      copy[key] = mapValues(child as Json, withReferences);
    else if (key === 'anyOf' || key === 'oneOf') copy[key] = alternatives(child as Json[]);
    else if (['items', 'additionalProperties', 'prefixItems', 'allOf', 'not'].includes(key))
      copy[key] = withReferences(child);
    else copy[key] = child;
  }
  return copy;
}

/** One reference for all alternatives of a union, rather than one for each. */
function alternatives(options: Json[]): unknown[] {
  const plain = options.map((option) => (isFixedScalar(option) ? option : withReferences(option)));
  const free = options.some((option) => option.type === 'string' && !isFixedScalar(option));
  return options.some(isFixedScalar) && !free ? [...plain, { $ref: `#/$defs/${REFERENCE}` }] : plain;
}

function isFixedScalar(json: Json): boolean {
  if (json.type === 'number' || json.type === 'integer' || json.type === 'boolean') return true;
  if (json.enum !== undefined || json.const !== undefined) return true;
  return json.type === 'string' && (json.pattern !== undefined || json.format !== undefined);
}

function mapValues(from: Json, change: (value: unknown) => unknown): Json {
  return Object.fromEntries(Object.entries(from).map(([key, value]) => [key, change(value)]));
}
