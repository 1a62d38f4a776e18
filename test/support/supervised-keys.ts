import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { IdentifierSuperviseEnv } from '../../src/plan/identifier.ts';
import type { Records } from '../../src/plan/records.ts';
import { superviseJwks } from '../../src/policies/auth/jwks/jwks.ts';
import { type JwksState, KEYS_FEED, keysOf, missingKey } from '../../src/policies/auth/jwks/jwks-feed.ts';
import type { FetchOptions, JwksOptions } from '../../src/policies/auth/jwks/jwks-options.ts';
import type { SourceReport } from '../../src/policies/auth/jwks/jwks-source.ts';
import { FakeClock } from './fake-clock.ts';
import { TestFeeds } from './feeds.ts';
import type { IdentityProvider } from './identity-provider.ts';

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

interface Given extends Partial<Omit<JwksOptions, 'fetch'>> {
  readonly fetch?: Partial<FetchOptions>;
  readonly clock?: FakeClock;
  readonly stateDirectory?: string;
}

/** Supervision of one entry, and what a worker and an operator see of it. */
export class SupervisedKeys {
  readonly clock: FakeClock;
  readonly problems: string[] = [];
  readonly feed;
  readonly settled: Promise<void>;
  readonly #close: () => void | Promise<void>;
  #read: () => unknown = () => [];

  constructor({ issuer = [], jwksUrl, fetch, clock = new FakeClock(), stateDirectory }: Given) {
    this.clock = clock;
    const feeds = new TestFeeds();
    const env: IdentifierSuperviseEnv = {
      entry: 'customer',
      consumers: new Map(),
      feed: (name, answer) => feeds.find(name, answer),
      records: {} as Records,
      stateDirectory: stateDirectory ?? null,
      problem: (message) => this.problems.push(message),
      report: (read) => {
        this.#read = read;
      },
    };
    const options = { issuer, jwksUrl, fetch: { keepStale: 24 * HOUR, timeout: 5 * SECOND, ...fetch } };
    const { settled = Promise.resolve(), close } = superviseJwks(options, env, clock);
    this.settled = settled;
    this.#close = close;
    this.feed = feeds.find<JwksState>(KEYS_FEED);
  }

  get reports(): SourceReport[] {
    return this.#read() as SourceReport[];
  }

  get report(): SourceReport {
    const [report] = this.reports;
    assert.ok(report !== undefined);
    return report;
  }

  state(issuer: string | null = null): JwksState {
    const state = keysOf(this.feed, issuer);
    assert.ok(state !== undefined);
    return state;
  }

  get kids(): (string | undefined)[] {
    return this.state().keys.map(({ kid }) => kid);
  }

  /** Lets time pass, and what is started on the way come to its end at that moment. */
  async pass(milliseconds: number): Promise<void> {
    const { clock } = this;
    const end = clock.time + milliseconds;
    while (clock.time < end) {
      clock.advance(Math.min(end, clock.next) - clock.time);
      while (this.reports.some(({ nextRefresh }) => nextRefresh === null)) await sleep(1);
    }
  }

  /** A worker has met a key that it does not know. */
  ask(kid: string, issuer: string | null = null): Promise<void> {
    return this.feed.ask(missingKey(issuer, kid));
  }

  /** Milliseconds until the next request. */
  get wait(): number {
    return Date.parse(this.report.nextRefresh ?? '') - this.clock.now();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.#close());
  }
}

/** Of one issuer that works. */
export async function superviseKeys(provider: IdentityProvider, given: Given = {}): Promise<SupervisedKeys> {
  const own = new SupervisedKeys({ issuer: [provider.issuer], ...given });
  await own.settled;
  return own;
}
