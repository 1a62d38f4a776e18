import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { handUpstream } from '../../test/support/plan.ts';
import { TestStates } from '../../test/support/states.ts';
import { errors, type GatewayError } from '../base/gateway-error.ts';
import type { EjectionOptions, Endpoint } from '../plan/upstream.ts';
import { EndpointRecord, endpointKey } from '../shared-memory/endpoint-record.ts';
import type { NamedSlots } from '../shared-memory/named-slots.ts';
import { Ejection } from './endpoint-ejection.ts';

const rules: EjectionOptions = {
  failures: 3,
  connect: true,
  reset: true,
  timeout: true,
  malformed: true,
  statuses: [502, 503, 504],
  successRate: null,
  baseTime: 1_000,
  maxTime: 10_000,
  maxShare: 0.5,
};

interface Place {
  readonly endpoint: Endpoint;
  readonly record: EndpointRecord;
}

/** One worker's view of the endpoints of an upstream. */
class Watching {
  readonly places: readonly Place[];
  readonly lines: string[] = [];
  readonly #ejection: Ejection;
  now = 100_000;

  constructor(count: number, options: Partial<EjectionOptions> = {}, states: NamedSlots = new TestStates().worker()) {
    const { endpoints } = handUpstream(Array.from({ length: count }, (_, index) => `http://10.0.0.${index}:80`));
    this.places = endpoints.map((endpoint) => {
      return { endpoint, record: new EndpointRecord(states.acquire(endpointKey('a', endpoint.url))) };
    });
    this.#ejection = new Ejection({ ...rules, ...options }, (line) => this.lines.push(line));
  }

  settle(index: number, outcome: number | GatewayError, times = 1): boolean {
    let ejected = false;
    for (let i = 0; i < times; i++) {
      const [status, error] = typeof outcome === 'number' ? [outcome, null] : [0, outcome];
      if (this.#ejection.settled(this.places[index] as Place, status, error, this.now, this.places)) ejected = true;
    }
    return ejected;
  }

  get ejected(): number[] {
    return [...this.places.keys()].filter((index) => this.places[index]?.record.isEjected(this.now));
  }
}

describe('failures in a row', () => {
  const kinds: [what: string, outcome: number | GatewayError][] = [
    ['refused connections', errors.upstreamConnect],
    ['failed handshakes', errors.upstreamTls],
    ['connections that take too long', errors.upstreamConnectTimeout],
    ['resets', errors.upstreamReset],
    ['answers that do not come', errors.upstreamTimeout],
    ['garbage', errors.upstreamMalformed],
    ['503', 503],
  ];
  for (const [what, outcome] of kinds) {
    it(`eject after ${what}`, () => {
      const watching = new Watching(3);
      assert.equal(watching.settle(1, outcome, 2), false);
      assert.equal(watching.settle(1, outcome), true);
      assert.deepEqual(watching.ejected, [1]);
      assert.deepEqual(watching.lines, ['http://10.0.0.1:80 is left alone for 1s: 3 failures in a row']);
    });
  }

  it('are in a row only without a success between them; a 500 is the service at work', () => {
    const watching = new Watching(3);
    for (const outcome of [200, 404, 500]) {
      watching.settle(1, errors.upstreamReset, 2);
      watching.settle(1, outcome);
    }
    assert.deepEqual(watching.ejected, []);
  });

  it('count over all workers', () => {
    const states = new TestStates();
    const [one, other] = [new Watching(3, {}, states.worker()), new Watching(3, {}, states.worker())];
    one.settle(1, 503, 2);
    assert.equal(other.settle(1, 503), true);
    assert.deepEqual(one.ejected, [1]);
  });

  it('count only as configured', () => {
    const watching = new Watching(3, { timeout: false, reset: false, statuses: [500] });
    watching.settle(1, errors.upstreamReset, 9);
    watching.settle(1, errors.upstreamTimeout, 9);
    watching.settle(1, 503, 9);
    assert.deepEqual(watching.ejected, []);
    watching.settle(1, 500, 3);
    assert.deepEqual(watching.ejected, [1]);
  });
});

describe('coming back', () => {
  it('happens on probation: one failure is enough, and the time grows', () => {
    const watching = new Watching(3);
    watching.settle(1, 503, 3);
    watching.now += 1_001;
    assert.deepEqual(watching.ejected, []);
    assert.equal(watching.settle(1, 503), true);
    watching.now += 1_001;
    assert.deepEqual(watching.ejected, [1]);
    watching.now += 1_000;
    assert.deepEqual(watching.ejected, []);
  });

  it('is over with a success', () => {
    const watching = new Watching(3);
    watching.settle(1, 503, 3);
    watching.now += 1_001;
    watching.settle(1, 200);
    assert.equal(watching.settle(1, 503, 2), false);
    assert.equal(watching.settle(1, 503), true);
  });

  it('is not decided by answers to calls from before', () => {
    const watching = new Watching(3);
    watching.settle(1, 503, 3);
    watching.settle(1, 200);
    watching.now += 1_001;
    assert.equal(watching.settle(1, 503), true);
  });
});

describe('how many may be away', () => {
  it('is a share of them, but one of several always', () => {
    const watching = new Watching(5, { maxShare: 0.4 });
    for (let index = 0; index < 5; index++) watching.settle(index, 503, 4);
    assert.deepEqual(watching.ejected, [0, 1]);
    const strict = new Watching(3, { maxShare: 0.1 });
    for (let index = 0; index < 3; index++) strict.settle(index, 503, 4);
    assert.deepEqual(strict.ejected, [0]);
  });

  it('never is the only one', () => {
    const watching = new Watching(1, { maxShare: 1 });
    watching.settle(0, 503, 9);
    assert.deepEqual(watching.ejected, []);
  });
});

describe('success rates', () => {
  const successRate = { window: 10_000, minimumCalls: 20, margin: 0.25 };

  it('eject whoever does worse than its peers, when the window is over', () => {
    const watching = new Watching(3, { successRate });
    for (let i = 0; i < 40; i++) {
      watching.settle(0, 200);
      watching.settle(1, i % 2 === 0 ? 200 : 500);
      watching.settle(2, i % 10 === 0 ? 500 : 200);
    }
    assert.deepEqual(watching.ejected, []);
    watching.now += 10_000;
    watching.settle(0, 200);
    assert.deepEqual(watching.ejected, [1]);
    assert.deepEqual(watching.lines, [
      'http://10.0.0.1:80 is left alone for 1s: 50 % of its calls succeed, and 95 % of those of its peers',
    ]);
  });

  it('eject nobody for what all have', () => {
    const watching = new Watching(3, { successRate });
    for (let i = 0; i < 40; i++)
      for (let index = 0; index < 3; index++) watching.settle(index, i % 2 === 0 ? 200 : 500);
    watching.now += 10_000;
    watching.settle(0, 200);
    assert.deepEqual(watching.ejected, []);
  });

  it('say nothing about a few calls', () => {
    const watching = new Watching(3, { successRate });
    watching.settle(1, 500, 19);
    watching.settle(0, 200, 100);
    watching.now += 10_000;
    watching.settle(0, 200);
    assert.deepEqual(watching.ejected, []);
  });

  it('are judged by one of the workers', () => {
    const states = new TestStates();
    const workers = [states.worker(), states.worker()].map((worker) => new Watching(2, { successRate }, worker));
    for (const watching of workers) {
      watching.settle(0, 200, 20);
      watching.settle(1, 500, 20);
    }
    for (const watching of workers) {
      watching.now += 10_000;
      watching.settle(0, 200);
      assert.deepEqual(watching.ejected, [1]);
    }
    assert.deepEqual(
      workers.map(({ lines }) => lines.length),
      [1, 0],
    );
  });
});
