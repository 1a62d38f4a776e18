import { HeaderBlock } from '../../src/base/headers.ts';
import { UpstreamCall } from '../../src/plan/call.ts';
import type { BalanceOptions } from '../../src/plan/upstream.ts';
import type { Candidate, Random } from '../../src/runtime/balance/balancer.ts';
import { balancerFor } from '../../src/runtime/balance/balancer-for.ts';
import { EWMA_DECAY_MS } from '../../src/runtime/balance/two-choices.ts';
import { EndpointRecord } from '../../src/shared-memory/endpoint-record.ts';
import { TestStates } from './states.ts';

/** Endpoints as strategies see them, and a service whose time is virtual: the same numbers on every machine. */

export interface TestCandidate extends Candidate {
  weight: number;
  growth: number;
  readonly index: number;
  readonly record: EndpointRecord;
}

export function candidates(count: number, weights: readonly number[] = []): TestCandidate[] {
  const states = new TestStates().worker();
  return Array.from({ length: count }, (_, index) => ({
    index,
    weight: weights[index] ?? 1,
    growth: 1,
    credit: 0,
    seed: Math.imul(index + 1, 0x9e3779b1),
    record: new EndpointRecord(states.acquire(`endpoint ${index}`)),
  }));
}

/** Chance that repeats itself. */
export function seeded(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

export const plainCall = new UpstreamCall('GET', '/', 'a', new HeaderBlock(), null, null);

export function spreadBy(method: 'round-robin' | 'least-request' | 'ewma'): BalanceOptions {
  return { method, key: null, maxLoad: 1.25, slowStart: 0, panicThreshold: 0.3 };
}

export interface Service {
  /** Mean milliseconds that one call takes, by endpoint. */
  readonly times: readonly number[];
  /** Calls that an endpoint works on at once; the others queue there. */
  readonly slots: number;
  /** A second. */
  readonly calls: number;
  readonly seconds: number;
}

export interface Simulated {
  /** Milliseconds, ascending. */
  readonly latencies: readonly number[];
  /** Calls by endpoint. */
  readonly counts: readonly number[];
}

/** Calls come at random times and go where the strategy sends them; what it does not know, it has to find out. */
export function simulate(method: 'round-robin' | 'least-request' | 'ewma', service: Service, seed = 1): Simulated {
  const random = seeded(seed);
  const endpoints = candidates(service.times.length);
  const balancer = balancerFor<TestCandidate>(spreadBy(method), null, random);
  balancer.update(endpoints);
  /** When each of an endpoint's slots is free again. */
  const free = endpoints.map(() => Array.from({ length: service.slots }, () => 0));
  const ends: { at: number; endpoint: TestCandidate; latency: number }[] = [];
  const counts = endpoints.map(() => 0);
  const latencies: number[] = [];
  for (let now = 0; now < service.seconds * 1_000; now += (-Math.log(1 - random()) * 1_000) / service.calls) {
    for (let next = ends[0]; next !== undefined && next.at <= now; next = ends[0]) {
      ends.shift();
      next.endpoint.record.leave();
      next.endpoint.record.observe(next.latency, next.at, EWMA_DECAY_MS);
    }
    const endpoint = balancer.choose(plainCall, now);
    endpoint.record.enter();
    counts[endpoint.index] = (counts[endpoint.index] as number) + 1;
    const slots = free[endpoint.index] as number[];
    const slot = slots.indexOf(Math.min(...slots));
    const begin = Math.max(now, slots[slot] as number);
    const at = begin + (service.times[endpoint.index] as number) * (0.5 + random());
    slots[slot] = at;
    // In the order in which they end.
    let place = ends.length;
    while (place > 0 && (ends[place - 1]?.at as number) > at) place--;
    ends.splice(place, 0, { at, endpoint, latency: at - now });
    latencies.push(at - now);
  }
  return { latencies: latencies.sort((one, other) => one - other), counts };
}

export function quantile({ latencies }: Simulated, share: number): number {
  return latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] as number;
}
