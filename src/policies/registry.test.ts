import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';
import { compilePolicy } from '../../test/support/policy.ts';
import { dispatchLayers, requestPhases } from '../plan/phase.ts';
import { registry } from './registry.ts';

/** What every policy owes its readers: this holds for the next one as well. */

interface JsonSchema {
  description?: string;
  properties?: Record<string, JsonSchema>;
  anyOf?: JsonSchema[];
}

function undescribed(schema: JsonSchema, path: string): string[] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([name, property]) => [
    ...(property.description === undefined ? [`${path}.${name}`] : []),
    ...undescribed(property, `${path}.${name}`),
  ]);
  return [...own, ...(schema.anyOf ?? []).flatMap((option) => undescribed(option, path))];
}

test('names are unique, and each is one word as it stands in a configuration', () => {
  const names = registry.policies.map(({ name }) => name);
  assert.deepEqual([...new Set(names)], names);
  for (const name of names) assert.match(name, /^[a-z][A-Za-z]*$/);
});

for (const policy of registry.policies) {
  describe(policy.name, () => {
    test('says what it is for, in a sentence', () => {
      assert.match(policy.summary, /^[A-Z].*\.$/);
      assert.ok(policy.examples.length > 0);
    });

    test('describes every option', () => {
      const schema = z.toJSONSchema(policy.schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
      assert.deepEqual(undescribed(schema, policy.name), []);
    });

    for (const example of policy.examples) {
      test(`example: ${example.title}`, () => {
        const { hooks, problems } = compilePolicy(policy, example.options);
        assert.deepEqual(problems, []);
        assert.ok(hooks.length > 0, 'an example does something');
        for (const { request, dispatch } of hooks) {
          if (request !== undefined) assert.ok(requestPhases.includes(request.phase));
          if (dispatch !== undefined) assert.ok(dispatchLayers.includes(dispatch.layer));
        }
      });
    }
  });
}
