import { errors, type GatewayError } from '../../base/gateway-error.ts';
import { fieldName, HeaderBlock } from '../../base/headers.ts';
import type { Exchange, Identity } from '../../plan/exchange.ts';
import type { Feed } from '../../plan/feed.ts';
import type { Identifier, IdentifierEnv } from '../../plan/identifier.ts';
import { Reply } from '../../plan/reply.ts';
import { isPresentable, keyDigest, originOf } from '../../semantics/api-key.ts';
import { identityOf } from './identity.ts';
import { CONFIGURED_FEED, type ConfiguredKey, PEPPERS_FEED, STORED_FEED, type StoredKey } from './key-feed.ts';
import type { KeyPlace } from './key-place.ts';
import { hashOf, type Pepper } from './key-record.ts';
import { readPepper } from './peppers.ts';

/** Stored keys that have never been read are tried again within seconds. */
const RETRY_AFTER_SECONDS = '5';

const wwwAuthenticate = fieldName('www-authenticate');
const retryAfter = fieldName('retry-after');

export interface KeyOptions {
  /** The scheme of `authorization`; null when the key is elsewhere. */
  readonly scheme: string | null;
  readonly keep: boolean;
  readonly store: boolean;
}

/** A key that was found to be good as such; whether it is good now is asked anew each time. */
interface KnownKey {
  readonly id: string;
  readonly consumer: string;
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
  readonly #place: KeyPlace;
  readonly #invalidChallenge: string;
  readonly #configured: Feed<ConfiguredKey>;
  readonly #stored: Feed<StoredKey> | null;
  readonly #peppersFeed: Feed<string>;
  #peppers: readonly Pepper[] = [];
  #peppersVersion = 0;
  /** By digest of the key: it spares the keyed hash (3 µs of 4). No larger than the feeds are. */
  readonly #remembered = new Map<string, KnownKey>();
  #rememberedVersion = 0;

  constructor(place: KeyPlace, { scheme, keep, store }: KeyOptions, env: IdentifierEnv) {
    this.#env = env;
    this.#place = place;
    this.entry = env.entry;
    this.place = place.name;
    const realm = `realm="${env.entry.replace(/["\\]/g, '\\$&')}"`;
    // No scheme is registered for keys in other places, and a 401 has to name one (RFC 9110, 11.6.1).
    this.challenge = `${scheme ?? 'ApiKey'} ${realm}`;
    // RFC 6750, 3.1
    const isBearer = scheme?.toLowerCase() === 'bearer';
    this.#invalidChallenge = isBearer ? `${this.challenge}, error="invalid_token"` : this.challenge;
    this.conceal = keep ? null : (exchange) => place.conceal(exchange);
    this.#configured = env.feed<ConfiguredKey>(CONFIGURED_FEED);
    this.#stored = store ? env.feed<StoredKey>(STORED_FEED) : null;
    this.#peppersFeed = env.feed<string>(PEPPERS_FEED);
  }

  identify(exchange: Exchange): Identity | Reply | undefined {
    const key = this.#place.read(exchange);
    if (key === undefined) return undefined;
    if (!isPresentable(key)) return this.#refuse(errors.credentialInvalid);
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
      // A consumer's keys that were made after the revocation are good.
      revocations.isRevoked('consumer', known.consumer, known.createdAt)
    ) {
      return this.#refuse(errors.credentialRevoked);
    }
    if (known.expiresAt <= Date.now()) return this.#refuse(errors.credentialExpired);
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
    if (originOf(key) === 'malformed') return this.#refuse(errors.credentialInvalid);
    if (this.#configured.version === 0 || this.#stored?.version === 0) return unavailable();
    const stored = this.#findStored(digest);
    // A consumer who was taken out of the configuration is nobody.
    if (stored === undefined || !this.#env.consumers.has(stored.consumer)) {
      return this.#refuse(errors.credentialInvalid);
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
      consumer,
      enabled,
      createdAt: key.createdAt === null ? null : Math.floor(key.createdAt / 1000),
      expiresAt: key.expiresAt ?? Number.POSITIVE_INFINITY,
      identity: identityOf(caller, this.#env),
    };
    this.#remembered.set(digest, known);
    return known;
  }

  #forgetStale(): void {
    // Both only go up, so their sum does whenever one does.
    const version = this.#configured.version + (this.#stored?.version ?? 0);
    if (version === this.#rememberedVersion) return;
    this.#rememberedVersion = version;
    this.#remembered.clear();
  }

  /** Which check failed is in the code, and only whoever has the key gets to a code that says more than "invalid". */
  #refuse(error: GatewayError): Reply {
    const headers = new HeaderBlock();
    headers.add(wwwAuthenticate, this.#invalidChallenge);
    return Reply.refuse(error, null, headers);
  }
}

function unavailable(): Reply {
  const headers = new HeaderBlock();
  headers.add(retryAfter, RETRY_AFTER_SECONDS);
  return Reply.refuse(errors.identityUnavailable, null, headers);
}
