import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Verdict, VerdictCache, type VerdictCacheOptions, verdictKey } from './verdict-cache.ts';

interface Opinion {
  readonly text: string;
}

function makeCache(options: Partial<VerdictCacheOptions> = {}) {
  const clock = { now: 1_000 };
  const cache = new VerdictCache<Opinion>({ goodEntries: 4, badEntries: 4, now: () => clock.now, ...options });
  return { cache, clock };
}

function verdict(text: string, ttl = 100, isGood = true): () => Promise<Verdict<Opinion>> {
  return () => Promise.resolve({ value: { text }, ttl, isGood });
}

describe('verdicts', () => {
  test('hold for their time and not longer', async () => {
    const { cache, clock } = makeCache();
    assert.deepEqual(await cache.find('a', verdict('yes')), { text: 'yes' });
    clock.now += 99;
    assert.deepEqual(cache.get('a'), { text: 'yes' });
    clock.now += 1;
    assert.equal(cache.get('a'), undefined);
  });

  test('without a time are given and not kept', async () => {
    const { cache } = makeCache();
    await cache.find('a', verdict('once', 0));
    assert.equal(cache.get('a'), undefined);
  });

  test('take the place of older ones, on either side', async () => {
    const { cache, clock } = makeCache();
    await cache.find('a', verdict('no', 50, false));
    clock.now += 60;
    await cache.find('a', verdict('yes'));
    assert.deepEqual(cache.get('a'), { text: 'yes' });
  });

  test('are found once for everybody who asks meanwhile, and again by the next', async () => {
    const { cache } = makeCache();
    let judged = 0;
    const open = Promise.withResolvers<void>();
    const judge = async (): Promise<Verdict<Opinion>> => {
      judged++;
      await open.promise;
      return { value: { text: String(judged) }, ttl: 0, isGood: true };
    };
    const waiting = [cache.find('a', judge), cache.find('a', judge), cache.find('b', verdict('other'))];
    open.resolve();
    assert.deepEqual(await Promise.all(waiting), [{ text: '1' }, { text: '1' }, { text: 'other' }]);
    assert.equal(judged, 1);
    assert.deepEqual(await cache.find('a', judge), { text: '2' });
  });

  test('that cannot be found fail everybody who waits, and nobody after them', async () => {
    const { cache } = makeCache();
    const failing = () => Promise.reject(new Error('gone'));
    const outcomes = await Promise.allSettled([cache.find('a', failing), cache.find('a', failing)]);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    assert.deepEqual(await cache.find('a', verdict('yes')), { text: 'yes' });
  });

  test('a judge that throws at once is no different', async () => {
    const { cache } = makeCache();
    await assert.rejects(
      cache.find('a', () => {
        throw new Error('gone');
      }),
    );
    assert.deepEqual(await cache.find('a', verdict('yes')), { text: 'yes' });
  });
});

describe('bounds', () => {
  test('bad verdicts never push good ones out', async () => {
    const { cache } = makeCache();
    await cache.find('good', verdict('yes', 1_000));
    for (let i = 0; i < 100; i++) await cache.find(`bad ${i}`, verdict('no', 1_000, false));
    assert.deepEqual(cache.get('good'), { text: 'yes' });
  });

  test('past its size the oldest goes', async () => {
    const { cache } = makeCache();
    for (let i = 0; i < 10; i++) await cache.find(`${i}`, verdict('yes', 1_000));
    const left = Array.from({ length: 10 }, (_, i) => i).filter((i) => cache.get(`${i}`) !== undefined);
    assert.deepEqual(left, [6, 7, 8, 9]);
  });
});

test('keys are equal for equal parts only', () => {
  const part = fc.option(fc.oneof(fc.string(), fc.constantFrom('', '-', '1:a', '0:')), { nil: undefined });
  const parts = fc.array(part, { maxLength: 4 });
  fc.assert(
    fc.property(parts, parts, (one, other) => {
      const isSame = one.length === other.length && one.every((value, i) => value === other[i]);
      assert.equal(verdictKey(one) === verdictKey(other), isSame);
    }),
  );
});
