import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hash32 } from '../plan/limiter.ts';
import type { PlanRules } from '../plan/plans.ts';
import { RecordsError, type RecordsState } from '../plan/records.ts';
import {
  type UsageChange,
  type UsageRow,
  type UsageStore,
  type UsageTotal,
  UsageVerdict,
  UsageWindow,
} from '../plan/usage.ts';
import { SharedUsage } from '../shared-memory/shared-usage.ts';
import { UsageMemory, type UsageSizes } from '../shared-memory/usage-segments.ts';
import { MemoryUsage } from '../stores/memory-usage.ts';
import { UsageDesk } from './usage.ts';
import type { PlansInForce } from './usage-view.ts';

const DAY = 86_400_000;
const rules: PlanRules[] = [
  {
    name: 'gold',
    by: 'caller',
    rate: null,
    quotas: [
      { limit: 100, period: { kind: 'calendar', unit: 'month', timeZone: 'UTC', offset: 0 } },
      { limit: 50, period: { kind: 'rolling', length: DAY } },
    ],
    warnAt: null,
    report: false,
  },
];
const plans: PlansInForce = {
  rules,
  consumers: [
    ['acme', 'gold'],
    ['initech', null],
  ],
  defaults: [['customer', 'gold']],
};

/** A store that several machines share, and that can be away. */
class TestStore implements UsageStore {
  isAway = false;
  pushed: UsageChange[] = [];
  #kept = new MemoryUsage();
  #generation = 0;

  get state(): RecordsState {
    return { kind: 'test', failure: this.isAway ? 'it is away' : null, since: 0 };
  }

  async load(window: string, from: number, to: number, most: number): Promise<readonly UsageRow[]> {
    if (this.isAway) throw new RecordsError('it is away');
    return this.#kept.load(window, from, to, most);
  }

  async push(changes: readonly UsageChange[]): Promise<readonly number[]> {
    if (this.isAway) throw new RecordsError('it is away');
    this.pushed.push(...changes);
    return this.#kept.push(changes);
  }

  async generation(): Promise<string> {
    if (this.isAway) throw new RecordsError('it is away');
    return String(this.#generation);
  }

  async raise(totals: readonly UsageTotal[]): Promise<void> {
    const rows = await Promise.all(totals.map(({ window, stamp }) => this.#kept.load(window, stamp, stamp, 1e6)));
    const changes = totals.map((total, index) => {
      const before = rows[index]?.find(({ subject }) => subject === total.subject)?.used ?? 0;
      return { ...total, delta: Math.max(0, total.used - before) };
    });
    await this.#kept.push(changes);
  }

  lose(): void {
    this.#kept = new MemoryUsage();
    this.#generation++;
  }

  async close(): Promise<void> {}
}

/** A process: what its workers count by, and its main thread. */
class Machine {
  readonly memory: UsageMemory;
  readonly usage: SharedUsage;
  readonly desk: UsageDesk;
  readonly problems: string[] = [];
  readonly windows = (rules[0] as PlanRules).quotas.map(({ period }) => new UsageWindow(period));

  constructor(store: UsageStore, sizes?: UsageSizes) {
    this.memory = new UsageMemory([1, 2], sizes);
    this.usage = new SharedUsage(this.memory.segments, 1);
    this.desk = new UsageDesk({
      memory: this.memory,
      openStore: () => store,
      problem: (message) => this.problems.push(message),
    });
  }

  async start(): Promise<this> {
    await this.desk.prepare(plans);
    this.desk.adopt(plans);
    return this;
  }

  /** How many of these are granted. */
  use(times: number, subject = 'consumer:acme', quota = 0): number {
    const verdict = new UsageVerdict();
    const { limit = 0 } = rules[0]?.quotas[quota] ?? {};
    let granted = 0;
    for (let i = 0; i < times; i++) {
      this.usage.take(this.windows[quota] as UsageWindow, subject, hash32('gold'), limit, 1, verdict);
      if (verdict.allowed) granted++;
    }
    return granted;
  }

  async used(subject = 'acme', period = 'month'): Promise<number> {
    return (await this.desk.list(subject)).find((view) => view.period === period)?.used ?? 0;
  }
}

describe('usage', () => {
  it('of machines that share a store becomes one', async () => {
    const store = new TestStore();
    const one = await new Machine(store).start();
    const other = await new Machine(store).start();
    assert.equal(one.use(30), 30);
    assert.equal(other.use(20), 20);
    assert.equal(await one.used(), 30);
    assert.equal(await other.used(), 50);
    assert.equal(one.use(0), 0);
    one.use(1);
    assert.equal(await one.used(), 51);
    assert.equal(one.use(100), 49);
    await one.used();
    // It does not know yet, and has its own part of the blame: past the quota by what it grants meanwhile.
    assert.equal(other.use(5), 5);
    assert.equal(await other.used(), 105);
    assert.deepEqual([other.use(5), one.use(5)], [0, 0]);
    assert.equal(await one.used(), 105);
    await Promise.all([one.desk.close(), other.desk.close()]);
  });

  it('is known again before anybody is served, and not told twice', async () => {
    const store = new TestStore();
    const first = await new Machine(store).start();
    first.use(42);
    first.use(7, 'identity:customer:ann', 1);
    await first.desk.close();
    const second = await new Machine(store).start();
    store.pushed = [];
    assert.equal(second.use(100), 58);
    assert.equal(second.use(100, 'identity:customer:ann', 1), 43);
    await second.desk.list();
    assert.deepEqual(
      store.pushed.map(({ subject, delta }) => [subject, delta]),
      [
        ['consumer:acme', 58],
        ['identity:customer:ann', 43],
      ],
    );
    await second.desk.close();
  });

  it('is told later when the store is away, also from the start', async () => {
    const store = new TestStore();
    store.isAway = true;
    const machine = await new Machine(store).start();
    assert.equal(machine.problems.length, 1);
    assert.equal(machine.use(10), 10);
    assert.equal(await machine.used(), 10);
    machine.use(5);
    await machine.desk.list();
    store.isAway = false;
    assert.equal(await machine.used(), 15);
    assert.deepEqual(
      store.pushed.map(({ delta }) => delta),
      [15],
    );
    store.isAway = true;
    machine.use(1);
    await machine.desk.close();
    assert.match(machine.problems.at(-1) ?? '', /what was used last is not kept: it is away/);
  });

  it('is put back into a store that has lost it, once', async () => {
    const store = new TestStore();
    const one = await new Machine(store).start();
    const other = await new Machine(store).start();
    one.use(30);
    await one.desk.list();
    other.use(20);
    await other.desk.list();
    store.lose();
    one.use(2);
    assert.equal(await one.used(), 32);
    other.use(3);
    assert.equal(await other.used(), 53);
    one.use(1);
    assert.equal(await one.used(), 54);
    assert.deepEqual([one.use(100), other.use(1)], [46, 1]);
    await Promise.all([one.desk.close(), other.desk.close()]);
  });

  it('of subjects that gave way to others comes back with them', async () => {
    const store = new TestStore();
    const machine = await new Machine(store, { calendar: 16, rolling: 16 }).start();
    for (let i = 0; i < 40; i++) {
      assert.equal(machine.use(i + 1, `identity:customer:${i}`), i + 1);
      await machine.desk.list();
    }
    const { evicted, uncounted } = machine.desk.state;
    assert.deepEqual([evicted, uncounted], [24, 0]);
    machine.use(1, 'identity:customer:9');
    assert.equal(await machine.used('identity:customer:9'), 11);
    assert.equal(machine.use(100, 'identity:customer:9'), 89);
    assert.equal((await machine.desk.list()).length, 40);
    await machine.desk.close();
  });

  it('is told by subject, plan and period, and of what is left', async () => {
    const machine = await new Machine(new TestStore()).start();
    machine.use(30);
    machine.use(20, 'consumer:acme', 1);
    machine.use(1, 'identity:customer:a:b');
    assert.deepEqual(
      (await machine.desk.list()).map(({ resetsAt: _, ...view }) => Object.values(view).join(' ')),
      [
        'consumer:acme gold month 30 100 70',
        'consumer:acme gold rolling 1d 20 50 30',
        'identity:customer:a:b gold month 1 100 99',
      ],
    );
    assert.equal((await machine.desk.list('a:b')).length, 0);
    assert.equal((await machine.desk.list('identity:customer:a:b')).length, 1);
    const [plan] = machine.desk.plans();
    assert.deepEqual([plan?.consumers, plan?.auth], [['acme'], ['customer']]);
    await machine.desk.close();
  });

  it('is changed by operators, here at once and on others with their next request', async () => {
    const store = new TestStore();
    const one = await new Machine(store).start();
    const other = await new Machine(store).start();
    one.use(100);
    one.use(50, 'consumer:acme', 1);
    await one.desk.list();
    other.use(1);
    await other.desk.list();
    assert.equal(other.use(1), 0);
    const reset = await one.desk.adjust({ subject: 'acme', reset: true });
    assert.deepEqual(reset, []);
    assert.deepEqual([one.use(1), one.use(1, 'consumer:acme', 1)], [1, 1]);
    await one.desk.list();
    other.use(1);
    await other.desk.list();
    assert.equal(other.use(1), 1);
    await other.desk.list();

    const [added] = await one.desk.adjust({ subject: 'acme', add: 90, period: 'month' });
    assert.deepEqual([added?.used, added?.remaining], [92, 8]);
    assert.equal((await one.desk.adjust({ subject: 'acme', add: -1000 }))[0]?.used ?? 0, 0);
    assert.equal((await one.desk.adjust({ subject: 'identity:customer:new', add: 5 })).length, 2);
    for (const [request, words] of [
      [{ subject: 'acme' }, /`add` or `reset`/],
      [{ subject: 'nobody', reset: true }, /no consumer `nobody`/],
      [{ subject: 'initech', add: 1 }, /on no plan with a quota/],
      [{ subject: 'acme', add: 1, period: 'week' }, /no quota counts per `week`; there are: `month`, `rolling 1d`/],
      [{ subject: 'acme', add: 0.5 }, /add/],
    ] as const) {
      await assert.rejects(one.desk.adjust(request), words);
    }
    await Promise.all([one.desk.close(), other.desk.close()]);
  });
});
