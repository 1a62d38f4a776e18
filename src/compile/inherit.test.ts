import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { namedMap } from '../plan/fields.ts';
import { type EffectiveSettings, type Loss, namedMapsIn, noSettings, overlaySettings } from './inherit.ts';

const headers = z.strictObject({ set: namedMap(z.string()).optional(), remove: z.array(z.string()).optional() });
const policy = z.union([z.literal(true), z.strictObject({ path: z.string().optional(), headers: headers.optional() })]);
const named = new Map([
  ['policy', namedMapsIn(policy)],
  ['limits', namedMapsIn(z.union([z.literal(false), namedMap(z.string())]).optional())],
]);

function over(...layers: Record<string, unknown>[]): { values: Record<string, unknown>; lost: Loss[] } {
  const lost: Loss[] = [];
  let settings: EffectiveSettings = noSettings;
  for (const [index, layer] of layers.entries()) {
    settings = overlaySettings(settings, { settings: layer, path: [index] }, named, (loss) => lost.push(loss));
  }
  return { values: Object.fromEntries([...settings].map(([key, { value }]) => [key, value])), lost };
}

test('named maps are found through unions and wrappers', () => {
  assert.deepEqual(named.get('policy'), [['headers', 'set']]);
  assert.deepEqual(named.get('limits'), [[]]);
});

test('the nearer value replaces the farther one whole', () => {
  const { values, lost } = over({ other: { a: 1, b: 2 } }, { other: { a: 3 } });
  assert.deepEqual(values, { other: { a: 3 } });
  assert.deepEqual(lost[0]?.keys, ['b']);
});

test('`false` turns one off, for everything nearer too', () => {
  const { values, lost } = over({ other: { a: 1 }, more: 1 }, { other: false }, { third: 1 });
  assert.deepEqual(values, { more: 1, third: 1 });
  assert.deepEqual(lost, [{ setting: 'other', keys: null, path: [1, 'other'], from: [0, 'other'] }]);
});

test('named maps merge by name, and `false` removes a name', () => {
  const { values } = over({ limits: { a: '1', b: '2' } }, { limits: { b: '3', c: '4' } }, { limits: { a: false } });
  assert.deepEqual(values, { limits: { b: '3', c: '4' } });
});

test('a named map inside options merges while its surroundings are replaced', () => {
  const { values } = over(
    { policy: { path: '/x', headers: { set: { a: '1' }, remove: ['z'] } } },
    { policy: { headers: { set: { b: '2' } } } },
    { policy: { path: '/y' } },
  );
  assert.deepEqual(values, { policy: { path: '/y', headers: { set: { a: '1', b: '2' } } } });
});

test('a layer without settings changes nothing at all', () => {
  const base = overlaySettings(noSettings, { settings: { a: 1 }, path: [] }, named, () => undefined);
  assert.equal(
    overlaySettings(base, { settings: {}, path: [] }, named, () => undefined),
    base,
  );
});
