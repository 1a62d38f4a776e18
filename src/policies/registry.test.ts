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

for (const module of [...registry.policies, ...registry.upstreamPolicies, ...registry.identifiers]) {
  const { name, summary, schema, examples } = module;
  describe(name, () => {
    test('says what it is for, in a sentence', () => {
      assert.match(summary, /^[A-Z].*\.$/);
    });

    test('describes every option', () => {
      const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
      assert.deepEqual(undescribed(json, name), []);
    });

    test('has examples, which its schema takes', () => {
      if ('isInternal' in module && module.isInternal === true) return;
      assert.ok(examples.length > 0);
      for (const { options } of examples) assert.ok(schema.safeParse(options).success);
    });
  });
}

for (const policy of [...registry.policies, ...registry.upstreamPolicies]) {
  describe(`${policy.name}, compiled`, () => {
    for (const example of policy.examples) {
      test(`example: ${example.title}`, () => {
        const { hooks, problems } = compilePolicy(policy, example.options);
        assert.deepEqual(
          problems.filter(({ severity }) => severity === 'error'),
          [],
        );
        assert.ok(hooks.length > 0, 'an example does something');
        for (const { request, dispatch } of hooks) {
          if (request !== undefined) assert.ok(requestPhases.includes(request.phase));
          if (dispatch !== undefined) assert.ok(dispatchLayers.includes(dispatch.layer));
        }
      });
    }
  });
}
