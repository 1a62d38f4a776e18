import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { newRequestId } from './request-id.ts';

test('ids are 32 hexadecimal digits, each once', () => {
  const ids = Array.from({ length: 10_000 }, newRequestId);
  assert.ok(ids.every((id) => /^[0-9a-f]{32}$/.test(id)));
  assert.equal(new Set(ids).size, ids.length);
});

test('ids count up behind one prefix', () => {
  const [first, second] = [newRequestId(), newRequestId()];
  assert.equal(first.slice(0, 20), second.slice(0, 20));
  assert.equal(BigInt(`0x${second}`) - BigInt(`0x${first}`), 1n);
});

test('another thread has another prefix', async () => {
  const url = JSON.stringify(new URL('./request-id.ts', import.meta.url).href);
  const source = `import(${url}).then(({ newRequestId }) => require('node:worker_threads').parentPort.postMessage(newRequestId()))`;
  const worker = new Worker(source, { eval: true });
  const [id] = (await once(worker, 'message')) as [string];
  await worker.terminate();
  assert.match(id, /^[0-9a-f]{32}$/);
  assert.notEqual(id.slice(0, 20), newRequestId().slice(0, 20));
});
