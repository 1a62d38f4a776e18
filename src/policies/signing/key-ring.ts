import { setTimeout as sleep } from 'node:timers/promises';
import type { Closable, SuperviseEnv } from '../../plan/policy.ts';
import type { Records } from '../../plan/records.ts';
import { KeyFile } from './key-file.ts';
import { AHEAD_MS, activeKey, expiryOf, isRotationDue, keptKeys, untilNextChange } from './key-schedule.ts';
import {
  makeSigningKey,
  type PublicKey,
  readPublicKey,
  type SigningAlgorithm,
  type SigningKey,
} from './signing-key.ts';

/** Where processes that share a store tell each other their public keys. Private ones stay where they were made. */
const COLLECTION = 'signing-keys';
/** Until the other processes have heard of a key that signs at once. */
const SPREAD_MS = 2_000;
const RETRY_MS = 30_000;

export interface RingState {
  readonly active: SigningKey;
  /** By `kid`, those of other processes too. */
  readonly published: ReadonlyMap<string, PublicKey>;
}

export type RingEnv = Pick<SuperviseEnv, 'records' | 'stateDirectory' | 'problem'>;

/** The signing keys of one algorithm: made, kept, rotated and published on the main thread. */
export class KeyRing {
  /** Resolves when there is a key to sign with, and others have heard of it as far as that can be. */
  readonly settled: Promise<void>;
  readonly #algorithm: SigningAlgorithm;
  readonly #env: RingEnv;
  readonly #now: () => number;
  readonly #file: KeyFile | null;
  readonly #listeners = new Set<(state: RingState) => void>();
  readonly #watch: Closable;
  #keys: SigningKey[] = [];
  /** When the store was last given the public half of each key. */
  readonly #announced = new Map<string, number>();
  #isSettled = false;
  #others = new Map<string, PublicKey>();
  #timer: NodeJS.Timeout | null = null;
  #line: Promise<void> = Promise.resolve();
  #saidProblem = '';
  #told = '';
  #closed = false;

  constructor(algorithm: SigningAlgorithm, env: RingEnv, now: () => number = Date.now) {
    this.#algorithm = algorithm;
    this.#env = env;
    this.#now = now;
    this.#file = env.stateDirectory === null ? null : new KeyFile(env.stateDirectory, algorithm);
    this.#watch = env.records.watch(COLLECTION, () => void this.refresh());
    this.settled = this.#start();
  }

  /** Null: there is nothing to sign with yet. */
  get state(): RingState | null {
    if (!this.#isSettled) return null;
    const active = activeKey(this.#keys, this.#now());
    if (active === undefined) return null;
    const own = this.#keys.map(({ kid, publicKey }) => [kid, publicKey] as const);
    return { active, published: new Map([...this.#others, ...own]) };
  }

  subscribe(listener: (state: RingState) => void): Closable {
    this.#listeners.add(listener);
    const { state } = this;
    if (state !== null) listener(state);
    return { close: () => void this.#listeners.delete(listener) };
  }

  /** Looks at the clock and the store; one look at a time. */
  refresh(): Promise<void> {
    this.#line = this.#line.then(() => (this.#closed ? undefined : this.#refresh()));
    return this.#line;
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#watch.close();
  }

  async #start(): Promise<void> {
    const { records } = this.#env;
    await this.refresh();
    const active = activeKey(this.#keys, this.#now());
    const isFresh = active !== undefined && this.#now() - active.createdAt < SPREAD_MS;
    // Nobody verifies with a key that only we know: a token that is refused once may be refused for minutes.
    if (isFresh && records.state.kind === 'redis') await sleep(SPREAD_MS, undefined, { ref: false });
    this.#isSettled = true;
    this.#tell();
  }

  async #refresh(): Promise<void> {
    const problems: string[] = [];
    const attempt = async (work: () => Promise<void>): Promise<void> => {
      try {
        await work();
      } catch (error) {
        problems.push(error instanceof Error ? error.message : String(error));
      }
    };
    await attempt(() => this.#renew(attempt));
    await attempt(() => this.#announce());
    await attempt(() => this.#listen());
    this.#report(problems);
    this.#tell();
    this.#wait(problems.length > 0 || this.#keys.some(({ kid }) => !this.#others.has(kid)));
  }

  async #renew(attempt: (work: () => Promise<void>) => Promise<void>): Promise<void> {
    const now = this.#now();
    if (this.#keys.length > 0 && !isRotationDue(this.#keys, now)) {
      this.#keys = keptKeys(this.#keys, now);
      return;
    }
    // Another process with the same directory may have been first.
    let stored: SigningKey[] = [];
    await attempt(async () => {
      stored = (await this.#file?.read()) ?? [];
    });
    const byId = new Map([...this.#keys, ...stored].map((key) => [key.kid, key]));
    let keys = keptKeys([...byId.values()], now);
    if (isRotationDue(keys, now)) {
      keys = [...keys, await makeSigningKey(this.#algorithm, now, keys.length === 0 ? now : now + AHEAD_MS)];
      await attempt(async () => this.#file?.write(keys));
    }
    this.#keys = keys;
  }

  async #announce(): Promise<void> {
    const now = this.#now();
    for (const key of this.#keys) {
      const before = this.#announced.get(key.kid);
      // Somebody may have emptied the store; but what it does not keep is not put there again and again.
      if (before !== undefined && (this.#others.has(key.kid) || now - before < RETRY_MS)) continue;
      await this.#env.records.put(COLLECTION, key.kid, { jwk: key.publicKey }, expiryOf(key));
      this.#announced.set(key.kid, now);
    }
  }

  async #listen(): Promise<void> {
    const others = new Map<string, PublicKey>();
    for (const [kid, { jwk }] of await this.#env.records.list(COLLECTION)) {
      const key = readPublicKey(jwk);
      if (key !== null && key.kid === kid && key.alg === this.#algorithm) others.set(kid, key);
    }
    this.#others = others;
  }

  #tell(): void {
    const { state } = this;
    if (state === null || this.#closed) return;
    const summary = [state.active.kid, ...state.published.keys()].join(' ');
    if (summary === this.#told) return;
    this.#told = summary;
    for (const listener of this.#listeners) listener(state);
  }

  #report(problems: readonly string[]): void {
    const said = problems.join('; ');
    if (said !== this.#saidProblem)
      this.#env.problem(said === '' ? 'signing keys are in order again' : `signing keys: ${said}`);
    this.#saidProblem = said;
  }

  #wait(isTroubled: boolean): void {
    if (this.#closed) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const wait = untilNextChange(this.#keys, this.#now());
    this.#timer = setTimeout(() => void this.refresh(), isTroubled ? Math.min(wait, RETRY_MS) : wait).unref();
  }
}

interface SharedRing {
  readonly ring: KeyRing;
  users: number;
}

const rings = new WeakMap<Records, Map<SigningAlgorithm, SharedRing>>();

/** The process's ring of an algorithm: uses with other audiences sign with the same keys. */
export function openKeyRing(algorithm: SigningAlgorithm, env: RingEnv): { readonly ring: KeyRing; close(): void } {
  let ofProcess = rings.get(env.records);
  if (ofProcess === undefined) {
    ofProcess = new Map();
    rings.set(env.records, ofProcess);
  }
  const own = ofProcess;
  const shared = own.get(algorithm) ?? { ring: new KeyRing(algorithm, env), users: 0 };
  own.set(algorithm, shared);
  shared.users++;
  return {
    ring: shared.ring,
    close: () => {
      shared.users--;
      if (shared.users > 0) return;
      own.delete(algorithm);
      shared.ring.close();
    },
  };
}
