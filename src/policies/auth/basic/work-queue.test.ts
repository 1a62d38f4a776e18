import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkQueue } from './work-queue.ts';

function held() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { work: () => promise, finish: resolve };
}

test('so much at once, then in turn, and what fails makes room as well', async () => {
  const queue = new WorkQueue(2, 10);
  const order: string[] = [];
  const jobs = ['a', 'b', 'c', 'd'].map((name) => ({ name, ...held() }));
  const done = jobs.map(({ name, work }) =>
    queue.run(name, async () => {
      order.push(name);
      await work();
      if (name === 'a') throw new Error('a fails');
    }),
  );
  assert.deepEqual(order, ['a', 'b']);
  const [a, b, c, d] = jobs;
  a?.finish();
  await assert.rejects(async () => await done[0]);
  await Promise.resolve();
  assert.deepEqual(order, ['a', 'b', 'c']);
  for (const job of [b, c, d]) job?.finish();
  await Promise.all(done.slice(1));
  assert.deepEqual(order, ['a', 'b', 'c', 'd']);
});

test('nobody waits past the bound, and no client takes more than its share', async () => {
  const queue = new WorkQueue(1, 7);
  const { work, finish } = held();
  const greedy = [1, 2, 3].map(() => queue.run('greedy', work));
  assert.equal(greedy[2], null);
  const others = Array.from({ length: 7 }, (_, index) => queue.run(`client ${index}`, work));
  assert.equal(others.filter((each) => each === null).length, 1);
  finish();
  await Promise.all([...greedy, ...others]);
  assert.notEqual(queue.run('greedy', work), null);
});
