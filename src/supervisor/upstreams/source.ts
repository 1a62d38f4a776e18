import type { Clock, Timer } from '../../base/clock.ts';
import type { Endpoint } from '../../plan/upstream.ts';

/** Wait after a failure: doubled each time, half of it left to chance. */
const RETRY = { first: 1_000, max: 30_000 };

/** Where endpoints come from, in the operator's view. */
export type Origin = 'static' | 'dns' | 'srv' | 'file' | 'http';

/** What one look has found. */
export interface Found {
  readonly endpoints: readonly Endpoint[];
  /** What was left out, in words. */
  readonly problems: readonly string[];
  /** A part of it could not be asked for, and is as it was known before. */
  readonly failure: string | null;
  /** Milliseconds until the next look. */
  readonly nextIn: number;
}

/** One kind of place. */
export interface Place {
  readonly origin: Exclude<Origin, 'static'>;
  /** The name, file or URL. */
  readonly of: string;
  readonly keepFor: number;
  /** Throws what keeps it from knowing; an empty list means that there are none. */
  look(signal: AbortSignal): Promise<Found>;
  /** Calls when there may be something new before the next look. */
  watch?(changed: () => void): { close(): void };
}

/** For `sluice upstreams`; times are ISO 8601. */
export interface SourceReport {
  readonly origin: Origin;
  readonly of: string;
  readonly endpoints: number;
  /** Of the last answer, an empty one included. */
  readonly foundAt: string | null;
  readonly failure: string | null;
  readonly failingSince: string | null;
  /** It says that there are no endpoints, and the last ones are still in use. */
  readonly emptySince: string | null;
  /** Entries that were left out. */
  readonly problems: readonly string[];
  readonly nextLook: string | null;
}

/** The last endpoints of each place, for whatever asks there next: a changed configuration is no reason to forget them. */
export class LastFound {
  readonly #found = new Map<string, readonly Endpoint[]>();

  get(key: string): readonly Endpoint[] {
    return this.#found.get(key) ?? [];
  }

  set(key: string, endpoints: readonly Endpoint[]): void {
    this.#found.set(key, endpoints);
  }
}

export interface SourceOutlet {
  /** Its endpoints are others than before. */
  changed(): void;
  problem(message: string): void;
  /** Its place could not be asked. */
  failed(): void;
}

/** The endpoints of one place, kept current. A place that does not answer, or says that it is empty, never empties it. */
export class Source {
  readonly place: Place;
  /** Resolves after the first look, well or not. */
  readonly settled: Promise<void>;
  readonly #clock: Clock;
  readonly #outlet: SourceOutlet;
  readonly #memory: LastFound;
  readonly #key: string;
  readonly #stop = new AbortController();
  readonly #watch: { close(): void } | null;
  #endpoints: readonly Endpoint[];
  #foundAt: number | null = null;
  #failure: string | null = null;
  #failingSince: number | null = null;
  #emptySince: number | null = null;
  #problems: readonly string[] = [];
  #inARow = 0;
  #next: Timer | null = null;
  #nextAt: number | null = null;
  #looking = false;
  #lookAgain = false;

  /** `key`: same for the same place, settings included. */
  constructor(place: Place, key: string, memory: LastFound, clock: Clock, outlet: SourceOutlet) {
    this.place = place;
    this.#key = key;
    this.#memory = memory;
    this.#clock = clock;
    this.#outlet = outlet;
    this.#endpoints = memory.get(key);
    this.#watch = place.watch?.(() => void this.#look()) ?? null;
    this.settled = this.#look();
  }

  get endpoints(): readonly Endpoint[] {
    return this.#endpoints;
  }

  get isFailing(): boolean {
    return this.#failure !== null;
  }

  report(): SourceReport {
    return {
      origin: this.place.origin,
      of: this.place.of,
      endpoints: this.#endpoints.length,
      foundAt: dateOf(this.#foundAt),
      failure: this.#failure,
      failingSince: dateOf(this.#failingSince),
      emptySince: dateOf(this.#emptySince),
      problems: this.#problems,
      nextLook: dateOf(this.#nextAt),
    };
  }

  close(): void {
    this.#stop.abort();
    this.#next?.close();
    this.#watch?.close();
  }

  async #look(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    if (this.#looking) {
      this.#lookAgain = true;
      return;
    }
    this.#looking = true;
    this.#next?.close();
    this.#nextAt = null;
    let wait: number;
    try {
      const found = await this.place.look(this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      wait = this.#take(found);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      wait = this.#fail(error instanceof Error ? error.message : String(error));
    } finally {
      this.#looking = false;
    }
    if (this.#lookAgain) wait = 0;
    this.#lookAgain = false;
    this.#nextAt = this.#clock.now() + wait;
    this.#next = this.#clock.after(wait, () => void this.#look());
  }

  /** Answers how long to wait for the next look. */
  #take({ endpoints, problems, failure, nextIn }: Found): number {
    if (failure !== null) return Math.min(nextIn, this.#fail(failure, endpoints));
    if (this.#failure !== null) this.#outlet.problem(`${this.#name} can be asked again`);
    this.#failure = null;
    this.#failingSince = null;
    this.#inARow = 0;
    this.#foundAt = this.#clock.now();
    if (problems.length > 0 && problems.join() !== this.#problems.join()) {
      this.#outlet.problem(`${this.#name}: left out: ${problems.join('; ')}`);
    }
    this.#problems = problems;
    if (endpoints.length === 0) return Math.min(nextIn, RETRY.max, this.#empty());
    if (this.#emptySince !== null) this.#outlet.problem(`${this.#name} has endpoints again`);
    this.#emptySince = null;
    this.#set(endpoints);
    return nextIn;
  }

  /** It says so itself: nobody is there. Answers how long the last endpoints may stay nevertheless. */
  #empty(): number {
    const { keepFor } = this.place;
    const now = this.#clock.now();
    if (this.#emptySince === null) {
      this.#emptySince = now;
      const kept = this.#endpoints.length === 0 || keepFor === 0 ? '' : `; the last ones stay for ${keepFor / 1000} s`;
      this.#outlet.problem(`${this.#name} says that there are no endpoints${kept}`);
    }
    const left = this.#emptySince + keepFor - now;
    if (left > 0) return left;
    if (keepFor > 0 && this.#endpoints.length > 0) {
      this.#outlet.problem(`${this.#name} has had no endpoints for ${keepFor / 1000} s: the last ones are given up`);
    }
    this.#set([]);
    return Number.POSITIVE_INFINITY;
  }

  /** `endpoints`: what is known all the same. */
  #fail(reason: string, endpoints: readonly Endpoint[] = []): number {
    this.#outlet.failed();
    this.#inARow++;
    if (endpoints.length > 0) this.#set(endpoints);
    if (this.#failure === null) {
      this.#failingSince = this.#clock.now();
      const count = this.#endpoints.length;
      const consequence = count === 0 ? 'no endpoints are known' : `the last ${count} stay in use`;
      this.#outlet.problem(`${this.#name} cannot be asked (${reason}); ${consequence}`);
    }
    this.#failure = reason;
    const wait = Math.min(RETRY.max, RETRY.first * 2 ** (this.#inARow - 1));
    return wait * (0.5 + 0.5 * this.#clock.random());
  }

  #set(endpoints: readonly Endpoint[]): void {
    if (JSON.stringify(endpoints) === JSON.stringify(this.#endpoints)) return;
    this.#endpoints = endpoints;
    this.#memory.set(this.#key, endpoints);
    this.#outlet.changed();
  }

  get #name(): string {
    return `${this.place.origin} ${this.place.of}`;
  }
}

function dateOf(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString();
}
