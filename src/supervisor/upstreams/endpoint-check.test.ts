import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import { handUpstream } from '../../../test/support/plan.ts';
import type { Endpoint } from '../../plan/upstream.ts';
import { EndpointCheck } from './endpoint-check.ts';
import { Turns } from './turns.ts';

const endpoint = handUpstream(['http://10.0.0.1:1']).endpoints[0] as Endpoint;
const settings = {
  ask: { kind: 'tcp' },
  interval: 1_000,
  jitter: 0.2,
  timeout: 500,
  healthyAfter: 2,
  unhealthyAfter: 3,
} as const;

class Scene {
  readonly clock = new FakeClock();
  readonly changes: string[] = [];
  checked = 0;
  answer: string | null = null;
  readonly check: EndpointCheck;

  constructor(answer: string | null) {
    this.answer = answer;
    const probe = async (): Promise<string | null> => this.answer;
    this.check = new EndpointCheck(
      endpoint,
      settings,
      { probe, clock: this.clock, turns: new Turns(1) },
      {
        checked: () => void this.checked++,
        changed: ({ health }, isFirst) => this.changes.push(`${isFirst ? 'first ' : ''}${health?.isHealthy}`),
      },
    );
  }

  async answers(...answers: (string | null)[]): Promise<void> {
    for (const answer of answers) {
      this.answer = answer;
      this.clock.advance(this.clock.next - this.clock.now());
      await new Promise(setImmediate);
    }
  }
}

describe('health of one endpoint', () => {
  test('the first answer decides, whatever it is', async () => {
    for (const answer of [null, 'status 503']) {
      const scene = new Scene(answer);
      assert.deepEqual(scene.changes, []);
      await scene.check.first;
      assert.equal(scene.check.health?.isHealthy, answer === null);
      assert.deepEqual(scene.changes, [`first ${answer === null}`]);
    }
  });

  test('after that it takes several in a row', async () => {
    const scene = new Scene(null);
    await scene.check.first;
    await scene.answers('a', 'b', null, 'c', 'd');
    assert.deepEqual(scene.changes, ['first true']);
    const before = scene.clock.now();
    await scene.answers('e');
    assert.deepEqual(scene.changes, ['first true', 'false']);
    assert.equal(scene.check.lastFailure?.reason, 'e');
    assert.ok((scene.check.health?.since ?? 0) > before);
    await scene.answers(null, 'f', null);
    assert.equal(scene.check.health?.isHealthy, false);
    await scene.answers(null);
    assert.deepEqual(scene.changes, ['first true', 'false', 'true']);
    assert.equal(scene.checked, 11);
  });

  test('intervals are off by chance', async () => {
    const scene = new Scene(null);
    await scene.check.first;
    const pauses: number[] = [];
    for (const chance of [0, 0.5, 1]) {
      scene.clock.chance = chance;
      await scene.answers(null);
      pauses.push(scene.clock.next - scene.clock.now());
    }
    assert.deepEqual(pauses, [800, 1_000, 1_200]);
  });

  test('what is closed is not asked again', async () => {
    const scene = new Scene(null);
    await scene.check.first;
    scene.check.close();
    assert.equal(scene.clock.pending, 0);
    // Not even when it waits for its first answer.
    const waiting = new Scene(null);
    waiting.check.close();
    await waiting.check.first;
    assert.deepEqual([waiting.changes, waiting.check.health], [[], null]);
  });
});

test('turns: only so many at once, in order', async () => {
  const turns = new Turns(2);
  const order: string[] = [];
  const gates = [0, 1, 2, 3].map(() => Promise.withResolvers<void>());
  const runs = gates.map(({ promise }, index) =>
    turns.run(async () => {
      order.push(`begin ${index}`);
      await promise;
    }),
  );
  await new Promise(setImmediate);
  assert.deepEqual(order, ['begin 0', 'begin 1']);
  gates[1]?.resolve();
  await new Promise(setImmediate);
  assert.deepEqual(order.slice(2), ['begin 2']);
  for (const { resolve } of gates) resolve();
  await Promise.all(runs);
  assert.deepEqual(order.slice(3), ['begin 3']);
});
