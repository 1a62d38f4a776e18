import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { duration, listOf, percent, secret } from '../plan/fields.ts';
import { toJsonSchema } from './json-schema.ts';

const reference = { $ref: '#/$defs/reference' };

test('an editor learns what may be written, references too', () => {
  const schema = z.strictObject({
    wait: duration().describe('How long to wait.'),
    share: percent().optional(),
    key: secret().optional(),
    workers: z.int().min(1).optional(),
    names: listOf(z.string()).optional(),
  });
  const made = toJsonSchema(schema, { id: 'https://sluice.example/schema.json', title: 'Sluice' });
  const { $schema, $defs, properties, ...rest } = made as Record<string, Record<string, unknown>>;
  assert.equal($schema, 'https://json-schema.org/draft/2020-12/schema');
  assert.ok(Object.hasOwn($defs ?? {}, 'reference'));
  assert.deepEqual(rest, {
    $id: 'https://sluice.example/schema.json',
    title: 'Sluice',
    type: 'object',
    required: ['wait'],
    additionalProperties: false,
    patternProperties: { '^x-': {} },
  });
  const pattern = '^(0|(\\d+(\\.\\d+)?(ms|s|m|h|d))+)$';
  const durations = { type: 'string', pattern, examples: ['250ms', '5s', '10m', '1h'] };
  assert.deepEqual(inlined(properties, $defs ?? {}), {
    $schema: { type: 'string' },
    wait: { description: 'How long to wait.', anyOf: [durations, { const: 0 }, reference] },
    share: { anyOf: [{ type: 'string', pattern: '^\\d+(\\.\\d+)?%$', examples: ['20%'] }, reference] },
    key: { type: 'string', minLength: 1, writeOnly: true },
    workers: { anyOf: [{ type: 'integer', minimum: 1 }, reference] },
    names: { anyOf: [{ type: 'array', items: { type: 'string' } }, { type: 'string' }] },
  });
});

/** The schema with its shared parts put where they are used, but for the one that every scalar shares. */
function inlined(value: unknown, definitions: Record<string, unknown>): unknown {
  if (Array.isArray(value)) return value.map((item) => inlined(item, definitions));
  if (typeof value !== 'object' || value === null) return value;
  const { $ref, ...rest } = value as Record<string, unknown>;
  const name = typeof $ref === 'string' ? $ref.replace('#/$defs/', '') : 'reference';
  const shared = name === 'reference' ? ($ref === undefined ? {} : { $ref }) : (definitions[name] as object);
  const entries = Object.entries({ ...shared, ...rest });
  return Object.fromEntries(entries.map(([key, child]) => [key, inlined(child, definitions)]));
}
