import type { Feed } from '../../../plan/feed.ts';
import { KeySet } from '../../../semantics/key-set.ts';
import { keyFromJwk } from '../../../semantics/verification-key.ts';
import { type JwksState, keysOf, missingKey } from '../jwks/jwks-feed.ts';
import { KeySearch } from './jwt-key-search.ts';

/** Whose signatures an entry takes, as far as it is known. */
export interface IssuerKeys {
  readonly keys: KeySet;
  /** False: nothing is known, and no token can be judged. */
  readonly obtained: boolean;
  /** True: there may be keys that are not known yet. */
  readonly isFailing: boolean;
}

export interface KeySource {
  /** Goes up when a token that was good may no longer be. Reading it takes in what was published. */
  readonly version: number;
  /** By the issuer that the token names; null: it names none. */
  of(issuer: string | null): IssuerKeys;
  /** Looks for a missing key. Null: nobody knows more. Busy: too many wait for that already. */
  ask(issuer: string | null, kid: string | null): Promise<void> | 'busy' | null;
}

/** Keys of the configuration. */
export class FixedKeys implements KeySource {
  readonly version = 0;
  readonly #keys: IssuerKeys;

  constructor(keys: KeySet) {
    this.#keys = { keys, obtained: true, isFailing: false };
  }

  of(): IssuerKeys {
    return this.#keys;
  }

  ask(): null {
    return null;
  }
}

/** Longer names are no issuer's, and whoever makes them up could fill messages with them. */
const MAX_KID = 256;

interface PreparedKeys extends IssuerKeys {
  readonly fingerprint: string;
}

const unknown: PreparedKeys = { keys: new KeySet([]), obtained: false, isFailing: false, fingerprint: '' };

/** Keys that the supervisor fetches and publishes (`jwks.ts`). */
export class PublishedKeys implements KeySource {
  readonly #feed: Feed<JwksState>;
  /** Several issuers were named and each has its own keys: then one's are no proof for another. */
  readonly #isPerIssuer: boolean;
  #seen = 0;
  #version = 0;
  readonly #prepared = new Map<string | null, PreparedKeys>();
  readonly #searches = new Map<string | null, KeySearch>();

  constructor(feed: Feed<JwksState>, isPerIssuer: boolean) {
    this.#feed = feed;
    this.#isPerIssuer = isPerIssuer;
  }

  get version(): number {
    if (this.#feed.version !== this.#seen) this.#takeIn();
    return this.#version;
  }

  of(issuer: string | null): IssuerKeys {
    if (this.#feed.version !== this.#seen) this.#takeIn();
    const name = this.#isPerIssuer ? issuer : null;
    let prepared = this.#prepared.get(name);
    if (prepared === undefined) {
      const state = keysOf(this.#feed, name);
      if (state === undefined) return unknown;
      prepared = prepare(state, fingerprintOf(state));
      this.#prepared.set(name, prepared);
    }
    return prepared;
  }

  ask(issuer: string | null, kid: string | null): Promise<void> | 'busy' | null {
    if (kid !== null && kid.length > MAX_KID) return null;
    const name = this.#isPerIssuer ? issuer : null;
    let search = this.#searches.get(name);
    if (search === undefined) {
      search = new KeySearch(this.#feed);
      this.#searches.set(name, search);
    }
    return search.ask(missingKey(name, kid ?? ''));
  }

  /** Outages and recoveries are published too: they change no key, and what is remembered stays good. */
  #takeIn(): void {
    this.#seen = this.#feed.version;
    for (const [name, before] of this.#prepared) {
      const state = keysOf(this.#feed, name);
      const fingerprint = state === undefined ? '' : fingerprintOf(state);
      if (fingerprint !== before.fingerprint) this.#version++;
      if (state === undefined) this.#prepared.delete(name);
      else this.#prepared.set(name, prepare(state, fingerprint, before));
    }
  }
}

function fingerprintOf({ keys, obtained }: JwksState): string {
  return obtained ? JSON.stringify(keys) : '';
}

function prepare({ keys, obtained, failure }: JwksState, fingerprint: string, before?: PreparedKeys): PreparedKeys {
  const isFailing = failure !== null;
  if (before?.fingerprint === fingerprint) return { keys: before.keys, obtained, isFailing, fingerprint };
  const usable = obtained ? keys.map((jwk) => keyFromJwk({ ...jwk })) : [];
  const set = new KeySet(usable.flatMap((parsed) => (parsed.ok ? parsed.value : [])));
  return { keys: set, obtained, isFailing, fingerprint };
}
