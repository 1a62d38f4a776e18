import type { Clock } from '../../../base/clock.ts';
import type { Closable } from '../../../plan/policy.ts';
import type { JwksState, PublicJwk } from './jwks-feed.ts';
import { FetchFailure } from './jwks-fetch.ts';
import { HeldKeys } from './jwks-held.ts';
import type { JwksMemory } from './jwks-memory.ts';
import type { FetchOptions } from './jwks-options.ts';
import type { IgnoredKey } from './jwks-parse.ts';
import { JwksReader, type KeyPlace } from './jwks-reader.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** How long keys are good when nobody says so, and the bounds of what an issuer may say. */
const LIFETIME = { usual: 10 * MINUTE, min: MINUTE, max: 60 * MINUTE };
/** Part of the lifetime after which they are fetched again: ahead of its end, and not by all machines at once. */
const REFRESH_AT = { min: 0.75, max: 0.9 };
/** Wait after a failure: doubled each time, half of it left to chance. */
const RETRY = { first: SECOND / 2, max: 30 * SECOND };
/** After a look that brought nothing new, so that whoever makes up key ids causes one request in this time. */
const VAIN_LOOK_PAUSE = 5 * SECOND;

/** How long a start waits for a slow issuer before it goes on with the last known keys: less than workers wait for it. */
const START_PATIENCE = SECOND;

/** What a source says to the outside. */
export interface SourceOutlet {
  publish(state: JwksState): void;
  problem(message: string): void;
}

export interface SourceSettings {
  readonly place: KeyPlace;
  readonly fetch: FetchOptions;
  readonly memory: JwksMemory | null;
  readonly clock: Clock;
}

/** For `sluice status`; times are ISO 8601. */
export interface SourceReport {
  readonly issuer: string | null;
  readonly url: string | null;
  /** Key ids; null stands for a key without one. */
  readonly keys: readonly (string | null)[];
  /** What the issuer publishes besides, and why it is not used. */
  readonly ignored: readonly IgnoredKey[];
  readonly obtained: boolean;
  readonly obtainedAt: string | null;
  /** Null: a request is under way. */
  readonly nextRefresh: string | null;
  readonly failure: string | null;
  readonly failingSince: string | null;
}

/** The keys of one issuer, kept current: one request at a time, ahead of their end, with patience when it fails. */
export class JwksSource {
  readonly #settings: SourceSettings;
  readonly #outlet: SourceOutlet;
  readonly #reader: JwksReader;
  readonly #name: string;
  readonly #held: HeldKeys;
  #ignored: readonly IgnoredKey[] = [];
  #failure: string | null = null;
  #failingSince: number | null = null;
  #failures = 0;
  #memoryFailed = false;
  #closed = false;

  #request: Promise<void> | null = null;
  #look: Promise<void> | null = null;
  #next: Closable | null = null;
  #nextAt: number | null = null;
  #patience: Closable | null = null;
  /** While it lasts, missing keys are not looked for. */
  #pause: Closable | null = null;

  constructor(settings: SourceSettings, outlet: SourceOutlet) {
    const { place, fetch, clock } = settings;
    this.#settings = settings;
    this.#outlet = outlet;
    this.#reader = new JwksReader(place, fetch, clock);
    this.#held = new HeldKeys(clock, () => this.#expired());
    this.#name = place.issuer ?? this.#reader.url ?? 'nobody';
  }

  get state(): JwksState {
    return { keys: this.#held.keys, obtained: this.#held.obtainedAt !== null, failure: this.#failure };
  }

  /** Resolves after the first attempt. */
  start(): Promise<void> {
    this.#patience = this.#settings.clock.after(START_PATIENCE, () => {
      if (this.#held.obtainedAt === null && this.#recall()) this.#outlet.publish(this.state);
    });
    return this.refresh();
  }

  /** Gets the keys, together with whoever waits for them already. Never rejects. */
  refresh(): Promise<void> {
    this.#request ??= this.#fetch().finally(() => {
      this.#request = null;
    });
    return this.#request;
  }

  /** Resolves when what can be done about a missing key is done; an empty id stands for a token that names none. */
  async find(kid: string): Promise<void> {
    if (this.#request !== null) await this.#request;
    // What is not there at all is fetched as soon as the issuer may be asked again, whoever waits.
    if (this.#closed || this.#pause !== null || this.#held.obtainedAt === null) return;
    // Another worker may have asked for it already.
    if (kid !== '' && this.#held.has(kid)) return;
    this.#look ??= this.#lookForNews().finally(() => {
      this.#look = null;
    });
    await this.#look;
  }

  report(): SourceReport {
    const { keys, obtainedAt } = this.#held;
    return {
      issuer: this.#settings.place.issuer,
      url: this.#reader.url,
      keys: keys.map(({ kid }) => kid ?? null),
      ignored: this.#ignored,
      obtained: obtainedAt !== null,
      obtainedAt: dateOf(obtainedAt),
      nextRefresh: dateOf(this.#nextAt),
      failure: this.#failure,
      failingSince: dateOf(this.#failingSince),
    };
  }

  close(): void {
    this.#closed = true;
    this.#reader.close();
    for (const timer of [this.#held, this.#next, this.#patience, this.#pause]) timer?.close();
  }

  async #lookForNews(): Promise<void> {
    const before = this.#held.fingerprint;
    await this.refresh();
    if (this.#held.fingerprint === before) this.#pauseFor(VAIN_LOOK_PAUSE);
  }

  async #fetch(): Promise<void> {
    this.#next?.close();
    this.#nextAt = null;
    try {
      const { keys, ignored, lifetime } = await this.#reader.read();
      if (this.#closed) return;
      this.#ignored = ignored;
      this.#succeed(keys, this.#settings.fetch.refresh ?? bounded(lifetime ?? LIFETIME.usual));
    } catch (error) {
      if (!this.#closed) this.#fail(error);
    }
  }

  #succeed(keys: readonly PublicJwk[], lifetime: number): void {
    const { clock } = this.#settings;
    const [recovered, before, obtainedAt] = [this.#failure !== null, this.#held.fingerprint, clock.now()];
    this.#failure = null;
    this.#failingSince = null;
    this.#failures = 0;
    this.#pause?.close();
    this.#pause = null;
    this.#held.hold(keys, obtainedAt, obtainedAt + lifetime + this.#settings.fetch.keepStale);
    // Workers look through all of it again with every publication.
    if (recovered || this.#held.fingerprint !== before) this.#outlet.publish(this.state);
    if (recovered) this.#outlet.problem(`the keys of ${this.#name} can be fetched again`);
    this.#remember(keys, obtainedAt, lifetime);
    this.#schedule(lifetime * (REFRESH_AT.min + (REFRESH_AT.max - REFRESH_AT.min) * clock.random()));
  }

  #fail(error: unknown): void {
    const { clock } = this.#settings;
    const reason = error instanceof Error ? error.message : String(error);
    const retryAfter = error instanceof FetchFailure ? error.retryAfter : 0;
    const isFirst = this.#failure === null;
    this.#failure = reason;
    this.#failures++;
    if (isFirst) {
      this.#failingSince = clock.now();
      if (this.#held.obtainedAt === null) this.#recall();
      this.#outlet.publish(this.state);
      this.#outlet.problem(`the keys of ${this.#name} cannot be fetched (${reason}); ${this.#consequence()}`);
    }
    const wait = Math.min(RETRY.max, RETRY.first * 2 ** (this.#failures - 1)) * (0.5 + 0.5 * clock.random());
    this.#pauseFor(Math.max(VAIN_LOOK_PAUSE, retryAfter));
    this.#schedule(Math.max(wait, retryAfter));
  }

  #consequence(): string {
    const { obtainedAt, until } = this.#held;
    if (obtainedAt === null) return 'until then nobody can be identified by them: 503';
    return `those of ${dateOf(obtainedAt)} are used until ${dateOf(until)}`;
  }

  #expired(): void {
    this.#outlet.publish(this.state);
    this.#outlet.problem(`the keys of ${this.#name} are too old to be used any longer; ${this.#consequence()}`);
  }

  /** A start while the issuer is down: the last keys are good for as long as they would have been without it. */
  #recall(): boolean {
    const { memory, clock, fetch } = this.#settings;
    const remembered = memory?.read() ?? null;
    if (remembered === null) return false;
    const { keys, obtainedAt, lifetime } = remembered;
    const until = obtainedAt + lifetime + fetch.keepStale;
    if (obtainedAt > clock.now() || until <= clock.now()) return false;
    this.#held.hold(keys, obtainedAt, until);
    return true;
  }

  #remember(keys: readonly PublicJwk[], obtainedAt: number, lifetime: number): void {
    try {
      this.#settings.memory?.write({ keys, obtainedAt, lifetime });
    } catch (error) {
      if (this.#memoryFailed) return;
      this.#memoryFailed = true;
      this.#outlet.problem(`the keys of ${this.#name} cannot be kept for the next start: ${error}`);
    }
  }

  #schedule(wait: number): void {
    const { clock } = this.#settings;
    this.#next?.close();
    this.#nextAt = clock.now() + wait;
    this.#next = clock.after(wait, () => void this.refresh());
  }

  #pauseFor(wait: number): void {
    this.#pause?.close();
    this.#pause = this.#settings.clock.after(wait, () => {
      this.#pause = null;
    });
  }
}

function bounded(lifetime: number): number {
  return Math.min(Math.max(lifetime, LIFETIME.min), LIFETIME.max);
}

function dateOf(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString();
}
