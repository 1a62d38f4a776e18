import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import { handUpstream } from '../../../test/support/plan.ts';
import type { Endpoint } from '../../plan/upstream.ts';
import { type Found, LastFound, type Place, Source } from './source.ts';

const [a, b] = handUpstream(['http://10.0.0.1:1', 'http://10.0.0.2:1']).endpoints as [Endpoint, Endpoint];

/** A place that says what the test tells it to. */
class Scene {
  readonly clock = new FakeClock();
  readonly said: string[] = [];
  readonly memory = new LastFound();
  readonly source: Source;
  looks = 0;
  changes = 0;
  failed = 0;
  #answer: Partial<Found> | string;

  constructor(answer: Partial<Found> | string, keepFor = 60_000, memory?: LastFound) {
    this.#answer = answer;
    if (memory !== undefined) this.memory = memory;
    const place: Place = {
      origin: 'dns',
      of: 'orders.test:80',
      keepFor,
      look: async () => {
        this.looks++;
        if (typeof this.#answer === 'string') throw new Error(this.#answer);
        return { endpoints: [], problems: [], failure: null, nextIn: 10_000, ...this.#answer };
      },
    };
    this.source = new Source(place, 'key', this.memory, this.clock, {
      changed: () => void this.changes++,
      problem: (message) => void this.said.push(message),
      failed: () => void this.failed++,
    });
  }

  get urls(): string[] {
    return this.source.endpoints.map(({ url }) => url);
  }

  async settled(): Promise<this> {
    await new Promise(setImmediate);
    return this;
  }

  /** The next look gets this answer. */
  async next(answer: Partial<Found> | string): Promise<this> {
    this.#answer = answer;
    this.clock.advance(this.clock.next - this.clock.now());
    return await this.settled();
  }
}

describe('a source of endpoints', () => {
  test('looks again when what it knows is over', async () => {
    const scene = await new Scene({ endpoints: [a], nextIn: 5_000 }).settled();
    assert.deepEqual([scene.urls, scene.changes], [[a.url], 1]);
    assert.equal(scene.clock.next - scene.clock.now(), 5_000);
    await scene.next({ endpoints: [a, b] });
    assert.deepEqual([scene.urls, scene.changes], [[a.url, b.url], 2]);
    await scene.next({ endpoints: [a, b] });
    assert.equal(scene.changes, 2);
    scene.source.close();
    assert.equal(scene.clock.pending, 0);
  });

  test('a failed look drops nothing, is told once, and is tried again with growing pauses', async () => {
    const scene = await new Scene({ endpoints: [a, b] }).settled();
    const pauses: number[] = [];
    for (let i = 0; i < 7; i++) {
      await scene.next('SERVFAIL');
      pauses.push(scene.clock.next - scene.clock.now());
    }
    assert.deepEqual(scene.urls, [a.url, b.url]);
    assert.deepEqual(pauses, [750, 1_500, 3_000, 6_000, 12_000, 22_500, 22_500]);
    assert.deepEqual(scene.said, ['dns orders.test:80 cannot be asked (SERVFAIL); the last 2 stay in use']);
    assert.equal(scene.failed, 7);
    assert.equal(scene.source.report().failure, 'SERVFAIL');
    await scene.next({ endpoints: [a] });
    assert.deepEqual([scene.urls, scene.source.report().failure], [[a.url], null]);
    assert.match(scene.said[1] ?? '', /can be asked again/);
    await scene.next('SERVFAIL');
    assert.equal(scene.clock.next - scene.clock.now(), 750);
  });

  test('one that says that there are none keeps the last ones for `keepFor`', async () => {
    const scene = await new Scene({ endpoints: [a] }, 25_000).settled();
    await scene.next({});
    assert.deepEqual(scene.urls, [a.url]);
    assert.match(scene.said[0] ?? '', /says that there are no endpoints; the last ones stay for 25 s/);
    assert.notEqual(scene.source.report().emptySince, null);
    await scene.next({});
    await scene.next({});
    assert.deepEqual(scene.urls, [a.url]);
    // The pause ends with what is left of the time.
    assert.equal(scene.clock.next - scene.clock.now(), 5_000);
    await scene.next({});
    assert.deepEqual(scene.urls, []);
    assert.match(scene.said[1] ?? '', /given up/);
    assert.equal(scene.said.length, 2);
    await scene.next({ endpoints: [b] });
    assert.deepEqual([scene.urls, scene.source.report().emptySince], [[b.url], null]);
  });

  test('a failure in between does not end an empty time, nor what is in use', async () => {
    const scene = await new Scene({ endpoints: [a] }, 15_000).settled();
    await scene.next({});
    for (let i = 0; i < 10; i++) await scene.next('away');
    assert.deepEqual(scene.urls, [a.url]);
    await scene.next({});
    assert.deepEqual(scene.urls, []);
  });

  test('`keepFor: 0` takes it at its word', async () => {
    const scene = await new Scene({ endpoints: [a] }, 0).settled();
    await scene.next({});
    assert.deepEqual(scene.urls, []);
  });

  test('a part that could not be asked for is a failure, and the rest is news', async () => {
    const scene = await new Scene({ endpoints: [a], failure: 'AAAA: SERVFAIL' }).settled();
    assert.deepEqual([scene.urls, scene.source.report().failure], [[a.url], 'AAAA: SERVFAIL']);
    assert.equal(scene.clock.next - scene.clock.now(), 750);
  });

  test('what was left out is told when it changes', async () => {
    const scene = await new Scene({ endpoints: [a], problems: ['entry 2: no'] }).settled();
    await scene.next({ endpoints: [a], problems: ['entry 2: no'] });
    await scene.next({ endpoints: [a], problems: ['entry 3: no'] });
    assert.equal(scene.said.length, 2);
    assert.deepEqual(scene.source.report().problems, ['entry 3: no']);
  });

  test('the same place under another configuration begins with what was known', async () => {
    const first = await new Scene({ endpoints: [a] }).settled();
    const second = new Scene('away', 60_000, first.memory);
    assert.deepEqual(second.urls, [a.url]);
    await second.settled();
    assert.deepEqual(second.urls, [a.url]);
  });
});
