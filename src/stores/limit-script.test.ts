import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { redisMissing, redisSettings, startRedis, type TestRedis } from '../../test/support/redis.ts';
import type { LimitUse } from '../plan/limiter.ts';
import { charge, type RateLimit, RateVerdict, rateLimit, take } from '../semantics/rate.ts';
import { answerSize, LIMIT_SCRIPT, limitSpec, readAnswer } from './limit-script.ts';
import { ask, openWire, type RedisWire } from './redis-wire.ts';
import { RespError, type RespReply, respCommand, respText } from './resp.ts';

const skip = redisMissing;
/** Microseconds; a multiple of every period below, so that windows begin where those of the model do. */
const ORIGIN = 1_764_000_000_000_000;

const NEAR = 1e6;

/** The script with a clock that tests set, and keys that are kept long enough for a clock that stands still. */
const SCRIPT = LIMIT_SCRIPT.replace(
  "redis.call('TIME')",
  '{ math.floor(tonumber(ARGV[#ARGV]) / 1000000), tonumber(ARGV[#ARGV]) % 1000000 }',
).replaceAll('+ 10)', '+ 600000)');

interface Wish {
  readonly key: string;
  readonly use: LimitUse;
  readonly cost: number;
  readonly isCharge: boolean;
}

/**
 * What `semantics/rate.ts` says about the same wishes. A bucket is the same at any time, so it is looked at near 0, where
 * doubles are finer than a nanosecond; windows stand where they stand, and have whole numbers only.
 */
class Model {
  readonly #states = new Map<string, number>();

  attempt({ key, use, cost, isCharge }: Wish, now: number): RateVerdict | null {
    const name = `${key} ${use.id}`;
    const shift = use.rate.algorithm === 'gcra' ? now - NEAR : 0;
    const state = Math.max(0, (this.#states.get(name) ?? 0) - shift);
    if (isCharge) {
      this.#states.set(name, charge(use.rate, state, now - shift, cost) + shift);
      return null;
    }
    const verdict = new RateVerdict();
    take(use.rate, state, now - shift, cost, verdict);
    if (verdict.allowed) this.#states.set(name, verdict.state + shift);
    return verdict;
  }
}

const rates: fc.Arbitrary<RateLimit> = fc.oneof(
  fc
    .tuple(fc.integer({ min: 1, max: 1000 }), fc.constantFrom(1000, 60_000), fc.integer({ min: 1, max: 40 }))
    .map(([limit, period, burst]) => rateLimit(limit, period, burst)),
  fc
    .tuple(fc.integer({ min: 1, max: 30 }), fc.constantFrom(1000, 60_000))
    .map(([limit, period]) => rateLimit(limit, period, limit, 'sliding-window')),
);
const steps = fc.array(
  fc.record({
    /** In intervals of the first limit. */
    pause: fc.oneof(
      fc.constant(0),
      fc.double({ min: 0, max: 4, noNaN: true }),
      fc.double({ min: 0, max: 80, noNaN: true }),
    ),
    wishes: fc.array(
      fc.record({
        key: fc.constantFrom('a', 'b'),
        which: fc.nat({ max: 1 }),
        cost: fc.oneof(fc.constant(1), fc.integer({ min: 0, max: 12 })),
        isCharge: fc.boolean(),
        givesBack: fc.boolean(),
      }),
      { minLength: 1, maxLength: 6 },
    ),
  }),
  { minLength: 1, maxLength: 25 },
);

function near(actual: number, expected: number, what: string): void {
  assert.ok(Math.abs(actual - expected) <= 1e-3 + Math.abs(expected) * 1e-9, `${what}: ${actual}, not ${expected}`);
}

describe('the script for limits', () => {
  let redis: TestRedis;
  let wire: RedisWire;
  let keys = 0;
  before(async () => {
    if (skip) return;
    redis = await startRedis();
    const [server] = redisSettings(redis.port).servers;
    assert.ok(server !== undefined);
    wire = (await openWire(redisSettings(redis.port), server, respCommand('PING'))).wire;
  });
  after(async () => {
    if (skip) return;
    wire.end('done');
    await redis[Symbol.asyncDispose]();
  });

  async function run(script: string, wishes: readonly Wish[], prefix: string, ...more: string[]): Promise<RespReply> {
    const names = wishes.map(({ key, use }) => respText(`${prefix}:${key}:${use.id}`)).join('');
    const specs = wishes.map(({ use, cost, isCharge }) => limitSpec(use, cost, isCharge)).join('');
    const words = ['EVAL', script, String(wishes.length)].map(respText).join('');
    const count = 3 + 2 * wishes.length + more.length;
    return ask(wire, `*${count}\r\n${words}${names}${specs}${more.map(respText).join('')}`);
  }

  it('decides as the function does, whatever comes when', { skip }, async () => {
    await fc.assert(
      fc.asyncProperty(rates, rates, steps, async (first, second, turns) => {
        const uses: LimitUse[] = [first, second].map((rate, index) => ({ id: index + 1, name: 'limit', rate }));
        const model = new Model();
        const prefix = `property${keys++}`;
        let clock = ORIGIN;
        for (const { pause, wishes } of turns) {
          clock += Math.round((pause * first.interval) / 1000);
          const asked = wishes.map(({ key, which, cost, isCharge, givesBack }): Wish => {
            const use = uses[which] as LimitUse;
            return { key, use, cost: isCharge && givesBack ? -cost : cost, isCharge };
          });
          const answer = await run(SCRIPT, asked, prefix, String(clock));
          assert.ok(Array.isArray(answer), answer instanceof RespError ? answer.text : String(answer));
          let at = 0;
          for (const wish of asked) {
            const expected = model.attempt(wish, (clock - ORIGIN) * 1000 + 6e10);
            const verdict = new RateVerdict();
            readAnswer(wish.use, wish.cost, answer as number[], at, verdict);
            at += answerSize(wish.use);
            if (expected === null) continue;
            assert.equal(verdict.allowed, expected.allowed);
            assert.equal(verdict.remaining, expected.remaining);
            for (const name of ['retryAfter', 'resetAfter', 'nextAfter'] as const) {
              near(verdict[name], expected[name], name);
            }
          }
        }
      }),
      { numRuns: 150 },
    );
  });

  const wish = (rate: RateLimit, cost = 1, isCharge = false): Wish => ({
    key: 'key',
    use: { id: 1, name: 'limit', rate },
    cost,
    isCharge,
  });
  const ttl = (prefix: string): number => Number(redis.command('PTTL', `${prefix}:key:1`));

  it('lets keys go once they are rested', { skip }, async () => {
    await run(LIMIT_SCRIPT, [wish(rateLimit(10, 1000, 10), 5)], 'gcra');
    const left = ttl('gcra');
    assert.ok(left > 100 && left <= 510, `${left}`);
    await run(LIMIT_SCRIPT, [wish(rateLimit(10, 10_000, 10, 'sliding-window'))], 'window');
    const kept = ttl('window');
    assert.ok(kept > 9000 && kept <= 20_010, `${kept}`);
    await run(LIMIT_SCRIPT, [wish(rateLimit(1, 1000, 2), 0), wish(rateLimit(1, 1000, 2), 3)], 'untouched');
    assert.equal(ttl('untouched'), -2, 'looks and refusals leave nothing behind');
    await run(LIMIT_SCRIPT, [wish(rateLimit(10, 366 * 86_400_000, 10), 10)], 'year');
    assert.ok(ttl('year') > 365 * 86_400_000);
  });

  it('takes what is not its own for nothing', { skip }, async () => {
    const rate = rateLimit(2, 3_600_000, 2);
    redis.command('SET', 'strange:key:1', 'what is this');
    assert.deepEqual(await run(LIMIT_SCRIPT, [wish(rate)], 'strange'), [0]);
    redis.command('RPUSH', 'list:key:1', 'a');
    assert.deepEqual(await run(LIMIT_SCRIPT, [wish(rate)], 'list'), [0]);
    const [backlog] = (await run(LIMIT_SCRIPT, [wish(rate)], 'list')) as number[];
    assert.ok((backlog as number) > 0);
  });

  it('neither grants nor blocks when the clock goes back', { skip }, async () => {
    for (const rate of [rateLimit(2, 60_000, 2), rateLimit(2, 60_000, 2, 'sliding-window')]) {
      const prefix = `back${rate.algorithm}`;
      const at = async (clock: number): Promise<boolean> => {
        const verdict = new RateVerdict();
        const answer = await run(SCRIPT, [wish(rate)], prefix, String(clock));
        readAnswer(wish(rate).use, 1, answer as number[], 0, verdict);
        return verdict.allowed;
      };
      assert.ok(await at(ORIGIN + 3_600_000_000));
      assert.ok(await at(ORIGIN));
      assert.ok(!(await at(ORIGIN)));
      assert.ok(await at(ORIGIN + 130_000_000), 'as long as ever, and no longer');
    }
  });
});
