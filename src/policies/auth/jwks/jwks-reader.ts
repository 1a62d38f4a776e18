import type { Clock } from '../../../base/clock.ts';
import type { Closable } from '../../../plan/policy.ts';
import { discoverKeys } from './jwks-discovery.ts';
import { type FetchedDocument, FetchFailure, fetchDocument, forPeople } from './jwks-fetch.ts';
import type { FetchOptions } from './jwks-options.ts';
import { type ParsedJwks, parseJwks } from './jwks-parse.ts';

/** An issuer may move its keys. When they cannot be read it is asked sooner. */
const DISCOVER_AGAIN = 24 * 3_600_000;

export interface KeyPlace {
  /** Whose keys; null: not bound to one issuer. */
  readonly issuer: string | null;
  /** Where they are; null: found by discovery. */
  readonly url: string | null;
}

export interface ReadKeys extends ParsedJwks {
  /** Milliseconds for which the issuer says that they are good; null: it does not say. */
  readonly lifetime: number | null;
}

/** Reads the keys of one issuer, and remembers where they are. */
export class JwksReader {
  readonly #issuer: string | null;
  readonly #fetch: FetchOptions;
  readonly #clock: Clock;
  readonly #abort = new AbortController();
  #url: URL | null;
  #mustDiscover: boolean;
  #rediscovery: Closable | null = null;

  constructor({ issuer, url }: KeyPlace, fetch: FetchOptions, clock: Clock) {
    this.#issuer = issuer;
    this.#fetch = fetch;
    this.#clock = clock;
    this.#url = url === null ? null : new URL(url);
    this.#mustDiscover = url === null;
  }

  get url(): string | null {
    return this.#url === null ? null : forPeople(this.#url);
  }

  /** Rejects with `FetchFailure`. */
  async read(): Promise<ReadKeys> {
    const url = await this.#place();
    try {
      const { document, lifetime } = await this.#get(url);
      return { ...parsed(url, document), lifetime };
    } catch (error) {
      this.#mustDiscover = this.#rediscovery !== null;
      throw error;
    }
  }

  close(): void {
    this.#abort.abort(new FetchFailure('nobody needs the keys any more'));
    this.#rediscovery?.close();
  }

  async #place(): Promise<URL> {
    if (this.#url !== null && !this.#mustDiscover) return this.#url;
    try {
      this.#url = await discoverKeys(this.#issuer ?? '', (url) => this.#get(url));
    } catch (error) {
      // They may still be where they were.
      if (this.#url === null) throw error;
      return this.#url;
    }
    this.#mustDiscover = false;
    this.#rediscovery?.close();
    this.#rediscovery = this.#clock.after(DISCOVER_AGAIN, () => {
      this.#mustDiscover = true;
    });
    return this.#url;
  }

  #get(url: URL): Promise<FetchedDocument> {
    const { timeout, ca } = this.#fetch;
    return fetchDocument(url, { timeout, ca, clock: this.#clock, signal: this.#abort.signal });
  }
}

function parsed(url: URL, document: unknown): ParsedJwks {
  try {
    return parseJwks(document);
  } catch (error) {
    throw new FetchFailure(`${forPeople(url)}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
