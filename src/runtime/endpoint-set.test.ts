import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { plainCall, seeded } from '../../test/support/balance-simulation.ts';
import { TestFeeds } from '../../test/support/feeds.ts';
import { handUpstream } from '../../test/support/plan.ts';
import { TestStates } from '../../test/support/states.ts';
import { HeaderBlock } from '../base/headers.ts';
import { sharedClock } from '../base/shared-clock.ts';
import { UpstreamCall } from '../plan/call.ts';
import {
  ALL_ENDPOINTS,
  type BalanceOptions,
  ENDPOINTS_FEED,
  type Endpoint,
  type EndpointHealth,
  HEALTH_FEED,
  type UpstreamOptions,
} from '../plan/upstream.ts';
import { EndpointSet } from './endpoint-set.ts';
import type { PoolEndpoint } from './pool-endpoint.ts';

const plain: BalanceOptions = { method: 'round-robin', key: null, maxLoad: 1.25, slowStart: 0, panicThreshold: 0.3 };

interface Given {
  /** Of each endpoint. */
  readonly priorities?: readonly number[];
  readonly weights?: readonly number[];
  readonly balance?: Partial<BalanceOptions>;
  readonly options?: Partial<UpstreamOptions>;
}

class Stage {
  readonly feeds = new TestFeeds();
  readonly left: string[] = [];
  readonly endpoints: readonly Endpoint[];
  readonly set: EndpointSet;

  constructor(count: number, { priorities = [], weights = [], balance, options }: Given = {}) {
    this.endpoints = handUpstream(Array.from({ length: count }, (_, index) => urlOf(index))).endpoints.map(
      (endpoint, index) => ({ ...endpoint, priority: priorities[index] ?? 0, weight: weights[index] ?? 1 }),
    );
    this.set = new EndpointSet(
      handUpstream([], {
        owner: 'test',
        endpoints: this.endpoints,
        balance: balance === undefined ? null : { ...plain, ...balance },
        ...options,
      }),
      {
        states: new TestStates().worker(),
        secret: Buffer.alloc(32),
        feed: (_owner, name) => this.feeds.find(name),
        report: () => undefined,
      },
      (place) => this.left.push(place.endpoint.url),
      seeded(11),
    );
  }

  list(endpoints: readonly Endpoint[]): void {
    this.feeds.find<readonly Endpoint[]>(ENDPOINTS_FEED).replace([[ALL_ENDPOINTS, endpoints]]);
  }

  /** By index: well or not. */
  health(states: Readonly<Record<number, boolean>>, since = 0): void {
    const entries = Object.entries(states).map(([index, isHealthy]): [string, EndpointHealth] => [
      urlOf(Number(index)),
      { isHealthy, since },
    ]);
    this.feeds.find<EndpointHealth>(HEALTH_FEED).update(entries);
  }

  /** Where calls go, in percent by index. */
  shares(times = 4_000): Record<number, number> {
    const counts: Record<number, number> = {};
    for (let i = 0; i < times; i++) {
      const place = this.set.choose(plainCall, null);
      const index = place === null ? -1 : Number(place.endpoint.port) - 1;
      counts[index] = (counts[index] ?? 0) + 100 / times;
    }
    for (const index of Object.keys(counts)) counts[Number(index)] = Math.round(counts[Number(index)] as number);
    return counts;
  }
}

function urlOf(index: number): string {
  return `http://10.0.0.1:${index + 1}`;
}

describe('endpoints that come and go', () => {
  it('are used as soon as they are listed, and not any longer', () => {
    const stage = new Stage(2);
    assert.deepEqual(stage.shares(), { 0: 50, 1: 50 });
    const third = { ...(stage.endpoints[0] as Endpoint), url: urlOf(2), port: 3 };
    stage.list([stage.endpoints[1] as Endpoint, third]);
    assert.deepEqual(stage.shares(), { 1: 50, 2: 50 });
    assert.deepEqual(stage.left, [urlOf(0)]);
    stage.list([]);
    assert.deepEqual(stage.shares(), { [-1]: 100 });
    assert.equal(stage.set.isEmpty, true);
    stage.list(stage.endpoints);
    assert.deepEqual(stage.shares(), { 0: 50, 1: 50 });
  });

  it('keep their connections when only a weight or priority changes', () => {
    const stage = new Stage(2);
    const before = stage.set.all;
    stage.list(stage.endpoints.map((endpoint, index) => ({ ...endpoint, weight: index === 0 ? 3 : 1 })));
    assert.deepEqual(stage.shares(), { 0: 75, 1: 25 });
    assert.deepEqual(stage.set.all, before);
    stage.list(stage.endpoints.map((endpoint) => ({ ...endpoint, address: '10.0.0.9' })));
    stage.set.look();
    assert.deepEqual(stage.left, [urlOf(0), urlOf(1)]);
  });

  it('may be listed twice', () => {
    const stage = new Stage(1);
    stage.list([...stage.endpoints, ...stage.endpoints]);
    assert.deepEqual(stage.shares(), { 0: 100 });
    assert.equal(stage.set.all.length, 1);
  });
});

describe('health', () => {
  it('decides who is asked', () => {
    const stage = new Stage(3);
    stage.health({ 1: false });
    assert.deepEqual(stage.shares(), { 0: 50, 2: 50 });
    stage.health({ 1: true });
    assert.deepEqual(stage.shares(3_000), { 0: 33, 1: 33, 2: 33 });
  });

  it('of an endpoint that comes is known with it', () => {
    const stage = new Stage(1);
    stage.health({ 1: false });
    stage.list([...stage.endpoints, { ...(stage.endpoints[0] as Endpoint), url: urlOf(1), port: 2 }]);
    assert.deepEqual(stage.shares(), { 0: 100 });
  });
});

describe('panic', () => {
  it('uses all when fewer are well than the threshold', () => {
    const stage = new Stage(5, { balance: { panicThreshold: 0.5 } });
    stage.health({ 0: false, 1: false });
    assert.deepEqual(stage.shares(3_000), { 2: 33, 3: 33, 4: 33 });
    stage.health({ 2: false });
    assert.deepEqual(stage.shares(), { 0: 20, 1: 20, 2: 20, 3: 20, 4: 20 });
  });

  it('uses all when none is well, and nothing with a threshold of 0', () => {
    const stage = new Stage(2);
    stage.health({ 0: false, 1: false });
    assert.deepEqual(stage.shares(), { 0: 50, 1: 50 });
    const strict = new Stage(2, { balance: { panicThreshold: 0 } });
    strict.health({ 0: false });
    assert.deepEqual(strict.shares(), { 1: 100 });
    strict.health({ 1: false });
    assert.deepEqual(strict.shares(), { [-1]: 100 });
  });
});

describe('priorities', () => {
  it('leave everything to the first group while that is well enough', () => {
    const stage = new Stage(8, { priorities: [0, 0, 0, 0, 1, 1, 1, 1] });
    assert.deepEqual(stage.shares(), { 0: 25, 1: 25, 2: 25, 3: 25 });
    stage.health({ 0: false });
    // 1.4 times 75 % is more than all.
    assert.deepEqual(stage.shares(3_000), { 1: 33, 2: 33, 3: 33 });
  });

  it('let the next group take what a group cannot', () => {
    const stage = new Stage(4, { priorities: [0, 0, 1, 1] });
    stage.health({ 0: false });
    const shares = stage.shares(20_000);
    // 1.4 times 50 %.
    assert.ok(Math.abs((shares[1] as number) - 70) <= 2);
    assert.ok(Math.abs((shares[2] as number) - 15) <= 2);
    stage.health({ 1: false });
    assert.deepEqual(stage.shares(), { 2: 50, 3: 50 });
    stage.health({ 0: true, 1: true });
    assert.deepEqual(stage.shares(), { 0: 50, 1: 50 });
  });

  it('share what is left of groups that together cannot carry all', () => {
    const stage = new Stage(6, { priorities: [0, 0, 0, 1, 1, 1] });
    stage.health({ 0: false, 1: false, 3: false, 4: false });
    const shares = stage.shares(20_000);
    assert.ok(Math.abs((shares[2] as number) - 50) <= 2);
    assert.deepEqual(Object.keys(shares), ['2', '5']);
  });

  it('send a key to one group', () => {
    const stage = new Stage(4, {
      priorities: [0, 0, 1, 1],
      balance: { method: 'hash', key: { kind: 'header', name: 'x-tenant' } },
    });
    stage.health({ 0: false });
    const owners = new Set<number | undefined>();
    for (let tenant = 0; tenant < 50; tenant++) {
      const headers = HeaderBlock.of([['x-tenant', `${tenant}`]]);
      const call = new UpstreamCall('GET', '/', 'a', headers, null, null);
      const owner = stage.set.choose(call, null)?.endpoint.port;
      for (let i = 0; i < 5; i++) assert.equal(stage.set.choose(call, null)?.endpoint.port, owner);
      owners.add(owner);
    }
    assert.deepEqual([...owners].sort(), [2, 3, 4]);
  });
});

describe('slow start', () => {
  const balance = { slowStart: 30_000 };

  function aged(stage: Stage, ages: readonly number[]): void {
    const now = sharedClock();
    for (const [index, age] of ages.entries()) stage.set.all[index]?.record?.restart(now - age);
    stage.set.look();
  }

  it('lets the weight of an endpoint grow with its age', () => {
    const stage = new Stage(3, { balance });
    for (const [age, percent] of [
      [0, 5],
      [15_000, 20],
      [30_000, 33],
    ] as const) {
      aged(stage, [age, 60_000, 60_000]);
      assert.ok(Math.abs((stage.shares()[0] as number) - percent) <= 1, `${age}: ${stage.shares()[0]}`);
    }
  });

  it('is none when all are new', () => {
    const stage = new Stage(2, { balance });
    assert.deepEqual(stage.shares(), { 0: 50, 1: 50 });
    assert.ok(stage.set.all.every(({ growth }) => growth === 1));
  });

  it('begins with the recovery of one that was not well', () => {
    const stage = new Stage(3, { balance });
    aged(stage, [60_000, 60_000, 60_000]);
    stage.health({ 0: true }, Date.now());
    assert.ok((stage.shares()[0] as number) <= 6);
  });

  it('begins with the coming of one, and its coming back', () => {
    const stage = new Stage(3, { balance });
    stage.list(stage.endpoints.slice(1));
    stage.set.look();
    aged(stage, [60_000, 60_000]);
    stage.list(stage.endpoints);
    assert.ok((stage.shares()[0] as number) <= 6);
  });
});

describe('a call', () => {
  it('avoids endpoints for as long as there is another', () => {
    const stage = new Stage(3);
    const call = plainCall.again();
    call.avoided = [stage.endpoints[0] as Endpoint];
    for (let i = 0; i < 50; i++) assert.notEqual(stage.set.choose(call, null)?.endpoint.port, 1);
    stage.health({ 1: false, 2: false });
    // Of a group in panic too.
    for (let i = 0; i < 50; i++) assert.notEqual(stage.set.choose(call, null), null);
    stage.list(stage.endpoints.slice(0, 1));
    assert.equal(stage.set.choose(call, null)?.endpoint.port, 1);
  });

  it('asks its guard about each endpoint once', () => {
    const stage = new Stage(4);
    const asked: number[] = [];
    const call = plainCall.again();
    call.avoided = [stage.endpoints[2] as Endpoint];
    call.guard = {
      admits: ({ port }) => {
        asked.push(port);
        return false;
      },
      settled: () => undefined,
    };
    assert.equal(stage.set.choose(call, stage.set.all[1] as PoolEndpoint), null);
    assert.deepEqual(asked.toSorted(), [1, 2, 3, 4]);
    assert.equal(asked[0], 2);
    assert.equal(asked.at(-1), 3);
    assert.equal(stage.set.hasRoom, true);
  });

  it('goes where it is bound to, but not to an endpoint that is ill', () => {
    const stage = new Stage(4);
    const bound = stage.set.all[2] as PoolEndpoint;
    for (let i = 0; i < 5; i++) assert.equal(stage.set.choose(plainCall, bound), bound);
    stage.health({ 2: false });
    assert.notEqual(stage.set.choose(plainCall, bound), bound);
  });

  it('finds room in the next group, or with nobody', () => {
    const stage = new Stage(3, { priorities: [0, 0, 1], options: { maxConnections: 1 } });
    for (const place of stage.set.all.slice(0, 2)) place.connecting();
    assert.deepEqual(stage.shares(), { 2: 100 });
    stage.set.all[2]?.connecting();
    assert.deepEqual(stage.shares(), { [-1]: 100 });
    assert.equal(stage.set.isEmpty, false);
    assert.equal(stage.set.hasRoom, false);
  });
});
