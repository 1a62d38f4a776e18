import assert from 'node:assert/strict';
import { beforeEach, suite, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Flushable, flushLater } from './turn.ts';

suite('turn', { concurrency: false }, () => {
  let flushed: string[];
  beforeEach(() => {
    flushed = [];
  });

  function target(name: string, then: () => void = () => undefined): Flushable {
    return {
      flush() {
        flushed.push(name);
        then();
      },
    };
  }

  test('writes leave when the turn ends, in their order', async () => {
    flushLater(target('a'));
    await Promise.resolve();
    flushLater(target('b'));
    assert.deepEqual(flushed, []);
    await nextTurn();
    assert.deepEqual(flushed, ['a', 'b']);
  });

  test('what a flush writes leaves too, and nothing leaves twice', async () => {
    flushLater(target('a', () => flushLater(target('b', () => flushLater(target('c'))))));
    for (let turns = 0; turns < 5; turns++) await nextTurn();
    assert.deepEqual(flushed, ['a', 'b', 'c']);
  });

  test('every turn begins anew', async () => {
    flushLater(target('a'));
    await nextTurn();
    flushLater(target('b'));
    await nextTurn();
    assert.deepEqual(flushed, ['a', 'b']);
  });
});
