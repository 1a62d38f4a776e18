import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderSupervision } from './render-supervision.ts';

test('nothing to tell', () => {
  assert.equal(renderSupervision([]), '');
});

test('what is kept up to date, and what keeps it from being so', () => {
  const text = renderSupervision([
    {
      kind: 'identifier',
      module: 'jwt',
      name: 'customer',
      state: [
        { issuer: 'https://one.example', keys: ['a', 'b', 'c', 'd', 'e'], nextRefresh: '12:00', failure: null },
        { issuer: 'https://two.example', keys: [], nextRefresh: null, failure: 'status 500' },
      ],
    },
    { kind: 'policy', module: 'identityToken', name: 'identityToken', state: 'unused' },
  ]);
  const lines = text.split('\n').map((line) => line.replace(/ +/g, ' ').trim());
  assert.deepEqual(lines.slice(-3), [
    'customer jwt good issuer https://one.example, keys a b c d and 1 more, next refresh 12:00',
    'customer jwt failing: status 500 issuer https://two.example',
    'identityToken identityToken unused',
  ]);
});
