import assert from 'node:assert/strict';
import { test } from 'node:test';
import { table } from './table.ts';

test('columns are aligned, numbers to the right', () => {
  assert.equal(
    table(
      ['id', 'uses'],
      [
        ['mobile', '7'],
        ['web', '12'],
      ],
    ),
    'id      uses\nmobile     7\nweb       12',
  );
});

test('what a cell says does not command the terminal', () => {
  assert.equal(table(['reason'], [['\x1b[2J\u009b31m\r\nfine']]), 'reason\n\uFFFD[2J\uFFFD31m\uFFFD\uFFFDfine');
});
