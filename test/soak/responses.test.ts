import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { ResponseMemory } from '../../src/shared-memory/response-memory.ts';
import { SharedResponseStore } from '../../src/shared-memory/response-store.ts';
import { put } from '../contract/response-store.ts';
import type { ResponseReport, ResponseTask } from '../fixtures/response-worker.ts';
import { until } from '../harness.ts';
import { Dice } from '../support/dice.ts';
import { admitted, assertConsistent } from '../support/response-memory.ts';
import { soak } from './scale.ts';

const WORKER = new URL('../fixtures/response-worker.ts', import.meta.url);
const MEBIBYTE = 1024 ** 2;
const WORKERS = 3;
const KEYS = 1_500;

test('100,000 responses of 10 KiB are offered to 512 MiB: never more than that, and most of it is used', () => {
  const part = soak(1 / 16, 1);
  const bound = 512 * MEBIBYTE * part;
  const memory = new ResponseMemory(bound, [1, 2]);
  const store = new SharedResponseStore(admitted(memory));
  const body = Buffer.alloc(10_240, 'b');
  const offered = 100_000 * part;
  for (let i = 0; i < offered; i++) {
    assert.ok(put(store, `GET https://shop.example.com/objects/${i}`, body));
    if (i % 64 > 0) continue;
    const { bytes, filling, capacity } = memory.statistics;
    assert.ok(bytes + filling <= capacity && capacity <= bound);
  }
  const { entries, evictions, admissions } = memory.statistics;
  assert.ok(entries >= 45_000 * part, `${entries} entries`);
  assert.deepEqual([admissions, evictions], [offered, offered - entries]);
  assertConsistent(admitted(memory));
});

/**
 * Threads store, find, follow and purge at random in a store that is far too small for all of it, and are ended in the
 * middle of it now and then. Whatever anybody is given is one whole response, and none that was purged before it asked.
 */
test('no wrong, mixed or torn byte, whoever is ended meanwhile', { timeout: 240_000 }, async (context) => {
  const memory = new ResponseMemory(3 * MEBIBYTE, [11, 12], 2);
  const shared = {
    keys: KEYS,
    current: new SharedArrayBuffer(KEYS * 4),
    oldest: new SharedArrayBuffer(KEYS * 4),
    stop: new SharedArrayBuffer(4),
  };
  const stop = new Int32Array(shared.stop);
  const dice = new Dice(soak(3, Date.now()));
  const reports: ResponseReport[] = [];
  const failures: string[] = [];
  let ends = 0;

  /** One thread after the other. If doomed, each is ended after a while. */
  const staff = async (seed: number, isDoomed: boolean): Promise<void> => {
    for (let life = 0; Atomics.load(stop, 0) === 0; life++) {
      const segments = admitted(memory);
      const data: ResponseTask = { ...shared, segments, seed: seed + life * 7 };
      const worker = new Worker(WORKER, { workerData: data });
      worker.on('message', (message: ResponseReport | string) => {
        if (typeof message === 'string') failures.push(message);
        else reports.push(message);
      });
      const ended = once(worker, 'exit');
      if (isDoomed) {
        await Promise.race([ended, sleep(150 + dice.below(400))]);
        if (Atomics.load(stop, 0) === 0) {
          ends++;
          await worker.terminate();
        }
      }
      await ended;
      memory.release(segments);
    }
  };

  const staffs = Array.from({ length: WORKERS }, (_, index) => staff(index * 1_000, index > 0));
  await sleep(soak(3_000, 60_000));
  Atomics.store(stop, 0, 1);
  await Promise.all(staffs);
  await until('what ended threads had is free', () => memory.statistics.filling === 0);

  assert.deepEqual(failures, []);
  const sum = (pick: (report: ResponseReport) => number): number => reports.reduce((all, each) => all + pick(each), 0);
  const { evictions, outdated, broken, hits, capacity, bytes } = memory.statistics;
  context.diagnostic(
    `${hits} hits, ${sum(({ stored }) => stored)} stored, ${sum(({ followed }) => followed)} followed, ` +
      `${sum(({ purged }) => purged)} purged, ${evictions} evicted, ${outdated} outdated, ${ends} threads ended`,
  );
  assert.equal(broken, 0);
  assert.ok(bytes <= capacity);
  assert.ok(hits > 100 && evictions > 50 && ends > 1);
  assertConsistent(admitted(memory));
  // Nothing is pinned or reserved that would keep others from all of the memory.
  const store = new SharedResponseStore(admitted(memory));
  await store.purge({ by: 'all', value: '', soft: false });
  assert.deepEqual([memory.statistics.entries, memory.statistics.bytes], [0, 0]);
});
