import assert from 'node:assert/strict';
import { beforeEach, describe, mock, test } from 'node:test';
import { TokenFailure } from './client-credentials.ts';
import { type PublishedToken, TokenKeeper } from './token-keeper.ts';

/** With a clock of its own; what it awaits is settled by turning over the microtasks. */
beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ['Date', 'setTimeout'], now: 1_800_000_000_000 });
});

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

function open(lifetime = 3_600_000) {
  const published: PublishedToken[] = [];
  const problems: string[] = [];
  const server = { asked: 0, isDown: false, lifetime };
  const keeper = new TokenKeeper({
    obtain: async () => {
      server.asked++;
      if (server.isDown) throw new TokenFailure(`attempt failed`);
      return { authorization: `Bearer t${server.asked}`, lifetime: server.lifetime };
    },
    publish: (token) => published.push(token),
    problem: (message) => problems.push(message),
  });
  return { keeper, published, problems, server, [Symbol.dispose]: () => keeper.close() };
}

describe('a token', () => {
  test('is there after the first attempt, and is replaced ahead of its end', async () => {
    using given = open();
    const { keeper, published, server } = given;
    await keeper.settled;
    const now = Date.now();
    assert.equal(published[0]?.authorization, 'Bearer t1');
    const expiresAt = published[0]?.expiresAt ?? 0;
    assert.ok(expiresAt < now + 3_600_000 && expiresAt > now + 3_500_000);
    mock.timers.tick(3_600_000 * 0.7 - 1);
    await settle();
    assert.equal(server.asked, 1);
    mock.timers.tick(3_600_000 * 0.15 + 1);
    await settle();
    assert.equal(server.asked, 2);
    assert.equal(published[1]?.generation, 2);
    assert.ok(Date.now() < expiresAt);
  });

  test('with a life of nothing is not asked for without a pause', async () => {
    using given = open(0);
    await given.keeper.settled;
    mock.timers.tick(600);
    await settle();
    assert.equal(given.server.asked, 1);
  });

  test('that nobody wants any more is not replaced', async () => {
    using given = open();
    await given.keeper.settled;
    given.keeper.close();
    mock.timers.tick(86_400_000);
    await settle();
    await given.keeper.replace(1);
    assert.equal(given.server.asked, 1);
  });
});

describe('a failing server', () => {
  test('is asked again at growing distances, said once, and the token goes on meanwhile', async () => {
    using given = open();
    const { keeper, published, problems, server } = given;
    await keeper.settled;
    server.isDown = true;
    mock.timers.tick(3_600_000 * 0.85 + 1);
    await settle();
    const before = server.asked;
    for (let minute = 0; minute < 10; minute++) {
      mock.timers.tick(60_000);
      await settle();
    }
    const tries = server.asked - before;
    assert.ok(tries >= 5 && tries <= 25, `${tries} tries in ten minutes`);
    assert.deepEqual(problems, ['upstream credentials: no token: attempt failed']);
    assert.equal(published.length, 1);
    assert.equal(keeper.state.failure, 'attempt failed');
    server.isDown = false;
    mock.timers.tick(60_000);
    await settle();
    assert.equal(published.length, 2);
    assert.equal(problems.length, 2);
    assert.equal(keeper.state.failure, null);
  });

  test('at a cold start delays nobody for ever', async () => {
    const problems: string[] = [];
    using keeper = Object.assign(
      new TokenKeeper({
        obtain: () => Promise.reject(new TokenFailure('gone')),
        publish: () => assert.fail('there is nothing to publish'),
        problem: (message) => problems.push(message),
      }),
      { [Symbol.dispose]: () => keeper.close() },
    );
    await keeper.settled;
    assert.deepEqual(keeper.state, { expiresAt: null, failure: 'gone' });
  });
});

describe('a token that a service refused', () => {
  test('is replaced once, whoever asks and how often', async () => {
    using given = open();
    const { keeper, published, server } = given;
    await keeper.settled;
    mock.timers.tick(10_000);
    await Promise.all([keeper.replace(1), keeper.replace(1), keeper.replace(1)]);
    assert.equal(server.asked, 2);
    await keeper.replace(1);
    assert.equal(server.asked, 2, 'of an older one nobody needs to tell');
    await keeper.replace(2);
    assert.equal(server.asked, 2, 'a fresh one is not at fault');
    assert.deepEqual(
      published.map(({ generation }) => generation),
      [1, 2],
    );
  });
});
