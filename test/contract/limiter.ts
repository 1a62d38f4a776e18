import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Limiter, LimitUse } from '../../src/plan/limiter.ts';
import { type RateAlgorithm, RateVerdict, rateLimit } from '../../src/semantics/rate.ts';
import { until } from '../harness.ts';

/** Two views of one store, as two workers or two machines have them. */
export interface LimiterUnderTest extends AsyncDisposable {
  readonly one: Limiter;
  readonly other: Limiter;
}

const HOUR_MS = 3_600_000;
let ids = 1000;

/** So few in an hour that the time which passes in a test earns nothing; another limit every time. */
function limitOf(limit: number, algorithm: RateAlgorithm, periodMs = HOUR_MS): LimitUse {
  const id = ids++;
  return { id, name: `limit${id}`, rate: rateLimit(limit, periodMs, limit, algorithm) };
}

async function attempt(limiter: Limiter, use: LimitUse, key = 'key', cost = 1): Promise<RateVerdict> {
  const verdict = new RateVerdict();
  await limiter.take(use, key, cost, verdict);
  return verdict;
}

async function allowed(limiter: Limiter, use: LimitUse, key = 'key', cost = 1): Promise<boolean> {
  return (await attempt(limiter, use, key, cost)).allowed;
}

/** What every store of limits does, whatever it keeps them in. */
export function limiterContract(open: () => Promise<LimiterUnderTest>, skip: string | false = false): void {
  for (const algorithm of ['gcra', 'sliding-window'] as const) {
    it(`${algorithm}: whoever asks, a key has what its limit says, and no more`, { skip }, async () => {
      await using store = await open();
      const { one, other } = store;
      const use = limitOf(3, algorithm);
      const first = await attempt(one, use);
      assert.deepEqual([first.allowed, first.remaining, first.retryAfter], [true, 2, 0]);
      assert.ok(await allowed(other, use));
      assert.ok(await allowed(one, use));
      for (const view of [one, other]) {
        const refused = await attempt(view, use);
        assert.deepEqual([refused.allowed, refused.remaining], [false, 0]);
        assert.ok(refused.retryAfter > 0 && refused.retryAfter <= 2 * HOUR_MS, `${refused.retryAfter}`);
        assert.ok(refused.resetAfter >= refused.retryAfter);
      }
    });

    it(`${algorithm}: keys and limits do not touch one another`, { skip }, async () => {
      await using store = await open();
      const [use, same] = [limitOf(1, algorithm), limitOf(1, algorithm)];
      const keys = ['', ' ', 'a', 'a:b', '{a}', '}{', 'ключ 🔑', 'a\r\nb\0c', '__proto__', 'x'.repeat(5000)];
      for (const key of keys) {
        assert.ok(await allowed(store.one, use, key), key);
        assert.ok(!(await allowed(store.other, use, key)), key);
        assert.ok(await allowed(store.one, same, key), key);
      }
    });

    it(`${algorithm}: a look takes nothing, and neither does a refusal`, { skip }, async () => {
      await using store = await open();
      const use = limitOf(5, algorithm);
      assert.equal((await attempt(store.one, use, 'key', 0)).remaining, 5);
      assert.ok(!(await allowed(store.one, use, 'key', 6)));
      assert.ok(await allowed(store.one, use, 'key', 3));
      assert.ok(!(await allowed(store.other, use, 'key', 3)));
      assert.equal((await attempt(store.other, use, 'key', 0)).remaining, 2);
    });

    it(`${algorithm}: what is charged counts for everybody, up to a debt of the same size`, { skip }, async () => {
      await using store = await open();
      const use = limitOf(10, algorithm);
      store.one.charge(use, 'key', 4);
      await until('it is charged', async () => (await attempt(store.other, use, 'key', 0)).remaining === 6);
      store.one.charge(use, 'key', 1_000_000);
      await until('all is gone', async () => (await attempt(store.other, use, 'key', 0)).remaining === 0);
      assert.ok((await attempt(store.other, use)).retryAfter <= 2 * HOUR_MS);
    });

    it(`${algorithm}: what is given back can be taken again`, { skip }, async () => {
      await using store = await open();
      const use = limitOf(2, algorithm);
      assert.ok(await allowed(store.one, use, 'key', 2));
      store.one.charge(use, 'key', -1);
      await until('it is back', () => allowed(store.other, use));
      assert.ok(!(await allowed(store.one, use)));
      store.one.charge(use, 'key', -100);
      await until('all is back', async () => (await attempt(store.one, use, 'key', 0)).remaining === 2);
    });

    it(`${algorithm}: of many at once, as many pass as there is room for`, { skip }, async () => {
      await using store = await open();
      const use = limitOf(50, algorithm);
      const attempts: Promise<boolean>[] = [];
      for (let i = 0; i < 300; i++) attempts.push(allowed(i % 2 ? store.one : store.other, use, `key${i % 3}`));
      const passed = (await Promise.all(attempts)).filter(Boolean).length;
      assert.equal(passed, 150);
    });

    it(`${algorithm}: verdicts are each request's own`, { skip }, async () => {
      await using store = await open();
      const use = limitOf(4, algorithm);
      const verdicts = await Promise.all(['a', 'a', 'b', 'a'].map((key) => attempt(store.one, use, key)));
      assert.deepEqual(
        verdicts.map(({ remaining }) => remaining),
        [3, 2, 3, 1],
      );
    });

    it(`${algorithm}: whoever waits as long as told passes`, { skip }, async () => {
      await using store = await open();
      const use = limitOf(2, algorithm, 300);
      let verdict = await attempt(store.one, use);
      while (verdict.allowed) verdict = await attempt(store.one, use);
      await new Promise((resolve) => setTimeout(resolve, verdict.retryAfter + 5));
      assert.ok(await allowed(store.other, use));
    });
  }
}
