import { errors } from '../../../base/gateway-error.ts';
import type { Exchange, Identity } from '../../../plan/exchange.ts';
import type { Feed } from '../../../plan/feed.ts';
import type { Identifier, IdentifierEnv } from '../../../plan/identifier.ts';
import { Reply } from '../../../plan/reply.ts';
import { isPresentable, keyDigest, originOf } from '../../../semantics/api-key.ts';
import { CredentialAnswers, unavailable } from '../answers.ts';
import { CredentialPlace, type Places } from '../credential-place.ts';
import { identityOf } from '../identity.ts';
import { isCallerRevoked } from '../revocations.ts';
import { CONFIGURED_FEED, type ConfiguredKey, PEPPERS_FEED, STORED_FEED, type StoredKey } from './key-feed.ts';
import { hashOf, type Pepper } from './key-record.ts';
import { readPepper } from './peppers.ts';

/** Stored keys that have never been read are tried again within seconds. */
const RETRY_AFTER_SECONDS = 5;

export interface KeyOptions {
  readonly keep: boolean;
  readonly store: boolean;
}

/** A key that was found to be good as such; whether it is good now is asked anew each time. */
interface KnownKey {
  readonly id: string;
  readonly enabled: boolean;
  /** Seconds since the epoch; null: unknown. */
  readonly createdAt: number | null;
  /** Milliseconds since the epoch; infinite: never. */
  readonly expiresAt: number;
  readonly identity: Identity;
}

/**
 * Keys are found by their hash in a map. That gives away no more than a comparison in constant time would: the most that
 * the time of a look-up could tell is a part of a stored hash, from which no way leads back to a key, and of a hash that
 * is keyed nobody outside can even say which guess has it. (Besides, a map compares hash codes, seeded at random, before
 * it compares any text.)
 */
export class KeyIdentifier implements Identifier {
  readonly entry: string;
  readonly place: string;
  readonly challenge: string;
  readonly conceal: ((exchange: Exchange) => void) | null;
  readonly invite = null;
  readonly serve = null;
  readonly #env: IdentifierEnv;
  readonly #place: CredentialPlace;
  readonly #answers: CredentialAnswers;
  readonly #configured: Feed<ConfiguredKey>;
  readonly #stored: Feed<StoredKey> | null;
  readonly #peppersFeed: Feed<string>;
  #peppers: readonly Pepper[] = [];
  #peppersVersion = 0;
  /** By digest of the key: it spares the keyed hash (3 µs of 4). No larger than the feeds are. */
  readonly #remembered = new Map<string, KnownKey>();
  #configuredVersion = 0;
  #storedVersion = 0;

  constructor(places: Places, { keep, store }: KeyOptions, env: IdentifierEnv) {
    const place = new CredentialPlace(places);
    this.#env = env;
    this.#place = place;
    this.entry = env.entry;
    this.place = place.name;
    // No scheme is registered for keys in other places, and a 401 has to name one (RFC 9110, 11.6.1).
    this.#answers = new CredentialAnswers(places.scheme || 'ApiKey', env.entry);
    this.challenge = this.#answers.challenge;
    this.conceal = keep ? null : (exchange) => place.conceal(exchange);
    this.#configured = env.feed<ConfiguredKey>(CONFIGURED_FEED);
    this.#stored = store ? env.feed<StoredKey>(STORED_FEED) : null;
    this.#peppersFeed = env.feed<string>(PEPPERS_FEED);
  }

  identify(exchange: Exchange): Identity | Reply | undefined {
    const key = this.#place.find(exchange);
    if (key === undefined) return undefined;
    if (key === null) return this.#answers.several();
    if (!isPresentable(key)) return this.#answers.invalid(errors.credentialInvalid);
    const digest = keyDigest(key);
    this.#forgetStale();
    const known = this.#remembered.get(digest) ?? this.#find(key, digest);
    return known instanceof Reply ? known : this.#judge(known);
  }

  close(): void {
    this.#remembered.clear();
  }

  #judge(known: KnownKey): Identity | Reply {
    const { revocations } = this.#env;
    if (
      !known.enabled ||
      revocations.isRevoked('key', known.id, null) ||
      // Keys that were made after the caller was revoked are good.
      isCallerRevoked(known.identity, known.createdAt, revocations)
    ) {
      return this.#answers.invalid(errors.credentialRevoked);
    }
    if (known.expiresAt <= Date.now()) return this.#answers.invalid(errors.credentialExpired);
    return known.identity;
  }

  #find(key: string, digest: string): KnownKey | Reply {
    const configured = this.#configured.get(digest);
    if (configured !== undefined) {
      return this.#remember(digest, {
        ...configured,
        plan: null,
        scopes: [],
        createdAt: null,
        expiresAt: null,
        enabled: true,
      });
    }
    if (originOf(key) === 'malformed') return this.#answers.invalid(errors.credentialInvalid);
    if (this.#configured.version === 0 || this.#stored?.version === 0) return unavailable(RETRY_AFTER_SECONDS);
    const stored = this.#findStored(digest);
    // A consumer who was taken out of the configuration is nobody.
    if (stored === undefined || !this.#env.consumers.has(stored.consumer)) {
      return this.#answers.invalid(errors.credentialInvalid);
    }
    return this.#remember(digest, stored);
  }

  #findStored(digest: string): StoredKey | undefined {
    if (this.#stored === null) return undefined;
    if (this.#peppersVersion !== this.#peppersFeed.version) {
      this.#peppersVersion = this.#peppersFeed.version;
      this.#peppers = [...this.#peppersFeed.entries()].map(([, text]) => readPepper(text));
    }
    for (const pepper of this.#peppers) {
      const stored = this.#stored.get(hashOf(digest, pepper));
      if (stored !== undefined) return stored;
    }
    return undefined;
  }

  #remember(digest: string, key: Omit<StoredKey, 'createdAt'> & { readonly createdAt: number | null }): KnownKey {
    const { id, consumer, plan, scopes, enabled } = key;
    // The consumer, not the key: a limit by identity must not grow with the number of keys that somebody has.
    const caller = { id: consumer, consumer, plan, scopes, claims: { key: id } };
    const known: KnownKey = {
      id,
      enabled,
      createdAt: key.createdAt === null ? null : Math.floor(key.createdAt / 1000),
      expiresAt: key.expiresAt ?? Number.POSITIVE_INFINITY,
      identity: identityOf(caller, this.#env),
    };
    this.#remembered.set(digest, known);
    return known;
  }

  #forgetStale(): void {
    const configured = this.#configured.version;
    const stored = this.#stored?.version ?? 0;
    if (configured === this.#configuredVersion && stored === this.#storedVersion) return;
    this.#configuredVersion = configured;
    this.#storedVersion = stored;
    this.#remembered.clear();
  }
}
