import type { Fill } from '../../src/plan/response-store.ts';
import type { ResponseSegments } from '../../src/shared-memory/response-layout.ts';
import { ResponseMemory } from '../../src/shared-memory/response-memory.ts';
import { SharedResponseStore } from '../../src/shared-memory/response-store.ts';
import type { Micro } from './harness.ts';

/** What does it cost to find a stored response, and to store one? */

const STRIDE = 7_919;
const META = Buffer.alloc(300, 'm');
const SIZE = 64 * 1024 ** 2;

/** As a worker sees it that is not alone: the pins of the others are looked at too. */
function openStore(size = SIZE): SharedResponseStore {
  const memory = new ResponseMemory(size, [1, 2]);
  const [first] = Array.from({ length: 4 }, () => memory.admit());
  return new SharedResponseStore(first as ResponseSegments);
}

function put(store: SharedResponseStore, key: string, body: Buffer, tags: readonly string[] = []): number {
  const fill = store.begin(key) as Fill;
  fill.open(key, META, tags, body.length);
  fill.append(body, 0, body.length);
  fill.commit();
  return 1;
}

const keysOf = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `GET https://shop.example.com/v1/products/${index}?currency=eur`);

function finding(measure: string, bytes: number, count: number): Micro {
  const store = openStore();
  const keys = keysOf(count);
  for (const key of keys) put(store, key, Buffer.alloc(bytes, key));
  let at = 0;
  return {
    measure,
    run(times) {
      let sum = 0;
      for (let i = 0; i < times; i++) {
        at = (at + STRIDE) % count;
        const found = store.find(keys[at] as string);
        if (found === null) throw new Error('it is not there');
        sum += found.body.length + (found.meta[0] as number);
        found.release();
      }
      return sum;
    },
  };
}

function missing(measure: string): Micro {
  const store = openStore();
  const keys = keysOf(20_000);
  for (const key of keys.slice(0, 10_000)) put(store, key, META);
  let at = 0;
  return {
    measure,
    run(times) {
      let sum = 0;
      for (let i = 0; i < times; i++) {
        at = (at + STRIDE) % 10_000;
        if (store.find(keys[10_000 + at] as string) === null) sum++;
      }
      return sum;
    },
  };
}

/** In a store that is full: something else has to go for each. */
function storing(measure: string, bytes: number, count: number, tags: readonly string[] = []): Micro {
  const store = openStore();
  const keys = keysOf(count);
  const body = Buffer.alloc(bytes, 'b');
  for (const key of keys) put(store, key, body);
  let at = 0;
  return {
    measure,
    run(times) {
      let sum = 0;
      for (let i = 0; i < times; i++) {
        at = (at + STRIDE) % count;
        sum += put(store, keys[at] as string, body, tags);
      }
      return sum;
    },
  };
}

function beginning(measure: string): Micro {
  const store = openStore();
  const keys = keysOf(10_000);
  let at = 0;
  return {
    measure,
    run(times) {
      for (let i = 0; i < times; i++) {
        at = (at + STRIDE) % keys.length;
        (store.begin(keys[at] as string) as Fill).abandon();
      }
      return times;
    },
  };
}

export const cache: readonly Micro[] = [
  finding('stored response of 1 KB found, 100 in turns', 1_024, 100),
  finding('the same, 20,000 in turns', 1_024, 20_000),
  finding('stored response of 10 KB found, 4,000 in turns', 10_240, 4_000),
  missing('response looked for in vain, 10,000 in turns'),
  beginning('fetch begun and abandoned'),
  storing('response of 1 KB stored, 100,000 in turns', 1_024, 100_000),
  storing('the same with three tags', 1_024, 100_000, ['shop', 'product', 'eur']),
  storing('response of 10 KB stored, 20,000 in turns', 10_240, 20_000),
];
