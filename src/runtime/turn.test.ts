import assert from 'node:assert/strict';
import { beforeEach, suite, test } from 'node:test';
import { enterTurn, type Flushable, flushLater, leaveTurn } from './turn.ts';

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

  test('writes leave when the turn ends, in their order', () => {
    enterTurn();
    flushLater(target('a'));
    flushLater(target('b'));
    assert.deepEqual(flushed, []);
    leaveTurn();
    assert.deepEqual(flushed, ['a', 'b']);
  });

  test('turns within turns are one', () => {
    enterTurn();
    enterTurn();
    flushLater(target('a'));
    leaveTurn();
    assert.deepEqual(flushed, []);
    leaveTurn();
    assert.deepEqual(flushed, ['a']);
  });

  test('what a flush writes leaves too', () => {
    enterTurn();
    flushLater(target('a', () => flushLater(target('b', () => flushLater(target('c'))))));
    leaveTurn();
    assert.deepEqual(flushed, ['a', 'b', 'c']);
  });

  test('outside of turns they leave with the next microtask, together', async () => {
    flushLater(target('a'));
    flushLater(target('b'));
    assert.deepEqual(flushed, []);
    await Promise.resolve();
    assert.deepEqual(flushed, ['a', 'b']);
  });

  test('a turn that ends before the microtask takes them along, once', async () => {
    flushLater(target('a'));
    enterTurn();
    flushLater(target('b'));
    leaveTurn();
    assert.deepEqual(flushed, ['a', 'b']);
    await Promise.resolve();
    assert.deepEqual(flushed, ['a', 'b']);
    flushLater(target('c'));
    await Promise.resolve();
    assert.deepEqual(flushed, ['a', 'b', 'c']);
  });
});
