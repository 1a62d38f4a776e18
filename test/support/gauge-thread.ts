import { parentPort, workerData } from 'node:worker_threads';
import { FULL, type GaugeSegments, GaugeTable } from '../../src/shared-memory/gauges.ts';

/** A worker that enters and leaves, and notes in `seen` how many were inside at once. */
export interface GaugeThreadData {
  readonly segments: GaugeSegments;
  /** By key: how many are inside now, and how often there were too many. */
  readonly inside: SharedArrayBuffer;
  readonly keys: number;
  readonly max: number;
  readonly rounds: number;
  /** Keeps its last places, as a worker that is lost does. */
  readonly keeps: boolean;
}

const { segments, inside, keys, max, rounds, keeps }: GaugeThreadData = workerData;
const table = new GaugeTable(segments);
const family = table.family('test', true);
const counts = new Int32Array(inside);
const held: { key: number; slot: number }[] = [];
let entered = 0;

for (let round = 0; round < rounds; round++) {
  const key = (round * 7 + segments.owner) % keys;
  const slot = table.enter(family, `key ${key}`, max);
  if (slot !== FULL) {
    entered++;
    if (Atomics.add(counts, key, 1) + 1 > max) Atomics.add(counts, keys, 1);
    held.push({ key, slot });
  }
  if (held.length > 3 || slot === FULL) leaveFirst();
}
while (!keeps && held.length > 0) leaveFirst();
parentPort?.postMessage(entered);

function leaveFirst(): void {
  const first = held.shift();
  if (first === undefined) return;
  Atomics.sub(counts, first.key, 1);
  table.leave(first.slot);
}
