import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LimitMemory } from '../shared-memory/limit-segments.ts';
import { MetricsView } from '../shared-memory/metrics-view.ts';
import { ResponseMemory } from '../shared-memory/response-memory.ts';
import { UsageMemory } from '../shared-memory/usage-segments.ts';
import { noStores } from '../stores/settings.ts';
import { Crew, type CrewSettings } from './crew.ts';
import { FeedHub } from './feed-hub.ts';
import type { PlanParcel } from './messages.ts';
import { ProcessLog } from './process-log.ts';
import { PrepareError } from './worker-thread.ts';

const SCRIPT = new URL('../../test/fixtures/obedient-worker.ts', import.meta.url);
const settings: CrewSettings = { count: 2, maxHeapMegabytes: 64, hangAfterMs: 500, drainTimeoutMs: 200 };
const orders = new BroadcastChannel('obedient-worker');
orders.unref();

function versions(crew: Crew): number[] {
  return crew.serving.map((worker) => worker.version);
}

function parcel(version: number, behaviour = 'serve'): PlanParcel {
  const bytes = Buffer.from(behaviour);
  const part = new SharedArrayBuffer(bytes.length);
  new Uint8Array(part).set(bytes);
  return { version, parts: [part] };
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const end = performance.now() + 20_000; !holds(); await sleep(10)) {
    if (performance.now() > end) assert.fail(`did not come about: ${what}`);
  }
}

describe('crew', () => {
  let crew: Crew | null = null;
  const lines: string[] = [];
  const make = (overrides: Partial<CrewSettings> = {}): Crew => {
    lines.length = 0;
    crew = new Crew(
      {
        script: SCRIPT,
        env: () => process.env,
        log: new ProcessLog((line) => lines.push(line), false),
        ticketKeys: Buffer.alloc(48),
        stores: noStores,
        feeds: new FeedHub(
          () => [],
          () => undefined,
        ),
        limits: new LimitMemory(8, [1, 2]),
        usage: new UsageMemory([1, 2], { calendar: 8, rolling: 8 }),
        responses: new ResponseMemory(64 * 1024, [1, 2]),
        purgeCount: new SharedArrayBuffer(4),
        purged: () => undefined,
        series: () => ({ routes: 1, upstreams: 1 }),
        stuck: () => assert.fail('no thread should be stuck'),
      },
      { ...settings, ...overrides },
    );
    return crew;
  };
  const order = (id: number, what: string): void => orders.postMessage({ id, order: what });
  afterEach(async () => {
    await crew?.terminate();
    crew = null;
  });

  it('starts all workers on the plan', async () => {
    const made = make();
    await made.start(parcel(1));
    assert.deepEqual(versions(made), [1, 1]);
  });

  it('starts none when one cannot have the address, and says which', async () => {
    const made = make();
    await assert.rejects(made.start(parcel(1, 'refuse on the second')), (error: unknown) => {
      return error instanceof PrepareError && error.refusal.code === 'EADDRINUSE';
    });
    await until('all are gone', () => made.workers.size === 0);
  });

  it('changes the plan in place, or not at all', async () => {
    const made = make();
    await made.start(parcel(1));
    const threads = made.serving;
    await made.change(parcel(2), settings, false);
    assert.deepEqual(made.serving, threads);
    await assert.rejects(made.change(parcel(3, 'refuse on the second'), settings, false));
    assert.deepEqual(versions(made), [2, 2]);
  });

  it('lets fresh workers take over, and keeps the old ones when the fresh ones crash', async () => {
    const made = make();
    await made.start(parcel(1));
    const old = made.serving;
    await made.change(parcel(2), settings, true);
    assert.ok(made.serving.every((worker) => worker.version === 2 && !old.includes(worker)));
    await until('the old ones have left', () => made.workers.size === 2);
    await assert.rejects(made.change(parcel(3, 'crash'), settings, true), /crashed while preparing/);
    assert.deepEqual(versions(made), [2, 2]);
  });

  it('replaces a worker that throws by one on the newest plan, and clears its gauges', async () => {
    const made = make();
    await made.start(parcel(1));
    await made.change(parcel(2), settings, false);
    const [first] = made.serving;
    assert.ok(first);
    order(first.id, 'throw');
    await until('it is replaced', () => !made.workers.has(first) && made.serving.length === 2);
    assert.deepEqual(versions(made), [2, 2]);
    assert.equal(made.lost.crashed, 1);
    assert.match(lines.join(''), /thrown on order/);
    // Each commit leaves one exchange in flight: two of the survivor, one of the newcomer, none of the one that is gone.
    assert.equal(new MetricsView(made.cells.metrics).route(0).inFlight, 3);
  });

  it('ends and replaces a worker that hangs', async () => {
    const made = make();
    await made.start(parcel(1));
    const [first] = made.serving;
    assert.ok(first);
    order(first.id, 'loop');
    await until('it is replaced', () => !made.workers.has(first) && made.serving.length === 2);
    assert.equal(made.lost.hung, 1);
    assert.equal(made.lost.crashed, 0);
  });

  it('replaces a worker that is nearly full before that one leaves', async () => {
    const made = make();
    await made.start(parcel(1));
    const [first] = made.serving;
    assert.ok(first);
    order(first.id, 'be busy');
    await until('it is busy', () => made.active === 1);
    await made.recycle(first);
    assert.equal(made.serving.length, 2);
    assert.ok(made.workers.has(first), 'it has an exchange under way');
    assert.equal(made.recycled, 1);
    assert.ok(
      made.serving.some((worker) => worker.ownsUnixSockets),
      'what it owned has passed on',
    );
    await until('it is cut off in the end', () => made.workers.size === 2);
  });

  it('follows a change of the number of workers', async () => {
    const made = make();
    await made.start(parcel(1));
    await made.change(parcel(2), { ...settings, count: 3 }, false);
    await until('there are three', () => made.serving.length === 3);
    await made.change(parcel(3), { ...settings, count: 1 }, false);
    await until('there is one', () => made.workers.size === 1 && made.serving[0]?.version === 3);
  });

  it('waits for exchanges under way when it leaves, and cuts them off in the end', async () => {
    const made = make();
    await made.start(parcel(1));
    const [first] = made.serving;
    assert.ok(first);
    order(first.id, 'be busy');
    await until('it is busy', () => made.active === 1);
    assert.equal(await made.leave(200), 1);
    assert.equal(made.workers.size, 0);
    assert.equal(made.lost.crashed, 0);
  });
});
