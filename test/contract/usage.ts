import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { UsageChange, UsageStore } from '../../src/plan/usage.ts';

const LATER = Date.now() + 3_600_000;

export function change(subject: string, delta: number, rest: Partial<UsageChange> = {}): UsageChange {
  return { window: 'month', subject, stamp: 24_317, plan: 'gold', delta, endsAt: LATER, ...rest };
}

/** What every store of usage does. `open`: one more process on the same store. */
export function usageContract(open: () => Promise<UsageStore>): void {
  it('adds, and answers the totals', async () => {
    const store = await open();
    assert.deepEqual(await store.push([change('consumer:acme', 5), change('consumer:ünï "x"', 1)]), [5, 1]);
    assert.deepEqual(await store.push([change('consumer:acme', 37), change('consumer:new', 0)]), [42, 0]);
    assert.deepEqual(await store.push([change('consumer:acme', -40), change('consumer:acme', 1)]), [2, 3]);
    assert.equal(store.state.failure, null);
    await store.close();
  });

  it('keeps windows and periods apart, and finds those that are asked for', async () => {
    const store = await open();
    const window = 'rolling 30d';
    const all = [10, 11, 12, 13].map((stamp) => change('key:k7', stamp, { window, stamp, plan: null }));
    await store.push([
      ...all,
      change('key:k7', 99, { window, stamp: 12 }),
      change('key:k8', 1, { window: 'day', stamp: 12 }),
    ]);
    const rows = await store.load(window, 11, 12, 10);
    assert.deepEqual(
      rows.map(({ stamp, subject, used }) => [stamp, subject, used]),
      [
        [12, 'key:k7', 111],
        [11, 'key:k7', 11],
      ],
    );
    await store.close();
  });

  it('raises what is below, and nothing else', async () => {
    const store = await open();
    const total = (subject: string, used: number) => ({ ...change(subject, 0), window: 'hour', used });
    await store.push([change('low', 3, { window: 'hour' }), change('high', 9, { window: 'hour' })]);
    const before = await store.generation();
    await store.raise([total('low', 5), total('high', 5), total('new', 5)]);
    const rows = await store.load('hour', 24_317, 24_317, 9);
    if (store.state.kind !== 'memory') {
      assert.deepEqual(
        new Map(rows.map(({ subject, used }) => [subject, used])),
        new Map([
          ['low', 5],
          ['high', 9],
          ['new', 5],
        ]),
      );
    }
    assert.equal(await store.generation(), before);
    await store.close();
  });

  it('hands out those who used most, when there is no room for more', async () => {
    const store = await open();
    const window = 'week';
    await store.push([3, 1, 5, 2].map((used) => change(`consumer:${used}`, used, { window })));
    const rows = await store.load(window, 24_317, 24_317, 2);
    assert.deepEqual(
      rows.map(({ used }) => used),
      [5, 3],
    );
    await store.close();
  });
}
