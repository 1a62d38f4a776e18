import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import { fieldName } from '../base/headers.ts';
import type { ResponseHead, Sink, Tunnel, UpstreamCall } from '../plan/call.ts';
import { PassingSink } from '../plan/passing-sink.ts';
import type { AffinityOptions, Endpoint } from '../plan/upstream.ts';
import { cookieField, cookieValue, splitCookies } from '../semantics/cookie.ts';
import type { EndpointSet } from './endpoint-set.ts';
import type { PoolEndpoint } from './pool-endpoint.ts';

const cookie = fieldName('cookie');
/** Base64url digits: 96 bits name an endpoint and say nothing of its address; 128 sign. */
const ID_LENGTH = 16;
const SIGNATURE_LENGTH = 22;
/** Times are rounded to this part of the lifetime, so that many clients have the same cookie, and few are signed. */
const TIME_STEPS = 16;
const MAX_REMEMBERED = 4_096;

/**
 * Binds callers to the endpoint that answered them first, by a cookie `id.expires.signature`, which the service does not
 * see. One that is not ours, too old, or of an endpoint that is gone counts as none.
 */
export class Affinity {
  readonly #options: AffinityOptions;
  readonly #upstream: string;
  readonly #endpoints: EndpointSet;
  readonly #key: KeyObject;
  readonly #names: ReadonlySet<string>;
  readonly #ids = new Map<string, string>();
  /** Good cookies, with when they end in seconds since the epoch; 0: never. */
  readonly #verified = new Map<string, { readonly id: string; readonly expires: number }>();
  readonly #issued = new Map<string, string>();
  #places = new Map<string, PoolEndpoint>();
  #listed: readonly PoolEndpoint[] = [];

  /** `secret`: where the options have none. */
  constructor(options: AffinityOptions, upstream: string, endpoints: EndpointSet, secret: Uint8Array) {
    this.#options = options;
    this.#upstream = upstream;
    this.#endpoints = endpoints;
    this.#key = createSecretKey(options.secret === null ? Buffer.from(secret) : Buffer.from(options.secret));
    this.#names = new Set([options.cookie]);
  }

  /** Where the caller is bound to, and how its answer is to be passed on. Takes the cookie out of the call. */
  bind(call: UpstreamCall, sink: Sink): AffineSink {
    const field = cookieField(call.headers);
    const value = field === undefined ? undefined : cookieValue(field, this.#options.cookie);
    if (field === undefined || value === undefined) return new AffineSink(call, sink, this, null, false);
    const { rest } = splitCookies(field, this.#names);
    call.headers.remove(cookie);
    if (rest !== '') call.headers.add(cookie, rest);
    const read = this.#read(value);
    const place = read === undefined ? null : this.#placeOf(read.id);
    const now = Math.floor(Date.now() / 1000);
    if (read === undefined || place === null || (read.expires !== 0 && read.expires <= now)) {
      return new AffineSink(call, sink, this, null, false);
    }
    // One that is used lives on.
    const isOld = read.expires !== 0 && read.expires - now < this.#options.ttl / 2_000;
    return new AffineSink(call, sink, this, place, isOld);
  }

  cookieFor({ url }: Endpoint, isSecure: boolean): string {
    const { ttl, cookie: name } = this.#options;
    const seconds = Math.floor(ttl / 1000);
    const step = Math.max(1, Math.floor(seconds / TIME_STEPS));
    const expires = ttl === 0 ? 0 : Math.ceil((Date.now() / 1000 + seconds) / step) * step;
    const key = `${expires} ${url}`;
    let value = this.#issued.get(key);
    if (value === undefined) {
      const text = `${this.#idOf(url)}.${expires.toString(36)}`;
      value = `${text}.${this.#sign(`bound ${text}`, SIGNATURE_LENGTH)}`;
      if (this.#issued.size >= MAX_REMEMBERED) this.#issued.clear();
      this.#issued.set(key, value);
    }
    const lifetime = ttl === 0 ? '' : `; Max-Age=${seconds}`;
    return `${name}=${value}${lifetime}; Path=/; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`;
  }

  #read(value: string): { readonly id: string; readonly expires: number } | undefined {
    const known = this.#verified.get(value);
    if (known !== undefined) return known;
    const dot = value.lastIndexOf('.');
    const text = value.slice(0, Math.max(dot, 0));
    const signature = Buffer.from(value.slice(dot + 1));
    if (text.charAt(ID_LENGTH) !== '.' || signature.length !== SIGNATURE_LENGTH) return undefined;
    if (!timingSafeEqual(signature, Buffer.from(this.#sign(`bound ${text}`, SIGNATURE_LENGTH)))) return undefined;
    const read = { id: text.slice(0, ID_LENGTH), expires: Number.parseInt(text.slice(ID_LENGTH + 1), 36) };
    if (this.#verified.size >= MAX_REMEMBERED) this.#verified.clear();
    this.#verified.set(value, read);
    return read;
  }

  #placeOf(id: string): PoolEndpoint | null {
    const { all } = this.#endpoints;
    if (all !== this.#listed) {
      this.#listed = all;
      this.#places = new Map(all.map((place) => [this.#idOf(place.endpoint.url), place]));
    }
    return this.#places.get(id) ?? null;
  }

  #idOf(url: string): string {
    let id = this.#ids.get(url);
    if (id === undefined) {
      id = this.#sign(`endpoint ${url}`, ID_LENGTH);
      if (this.#ids.size >= MAX_REMEMBERED) this.#ids.clear();
      this.#ids.set(url, id);
    }
    return id;
  }

  /** For this upstream only: another one may have a cookie of the same name. */
  #sign(text: string, length: number): string {
    const { cookie: name } = this.#options;
    const signed = `affinity\n${this.#upstream}\n${name}\n${text}`;
    return createHmac('sha256', this.#key).update(signed).digest('base64url').slice(0, length);
  }
}

/** Tells the client where it is bound to, once that has answered. */
export class AffineSink extends PassingSink {
  /** Null: nowhere yet. */
  readonly bound: PoolEndpoint | null;
  readonly #call: UpstreamCall;
  readonly #affinity: Affinity;
  readonly #isOld: boolean;

  constructor(call: UpstreamCall, sink: Sink, affinity: Affinity, bound: PoolEndpoint | null, isOld: boolean) {
    super(sink);
    this.#call = call;
    this.#affinity = affinity;
    this.bound = bound;
    this.#isOld = isOld;
  }

  override head(head: ResponseHead): void {
    this.#tell(head);
    super.head(head);
  }

  override upgrade(head: ResponseHead, tunnel: Tunnel): void {
    this.#tell(head);
    super.upgrade(head, tunnel);
  }

  /** Not in the head itself, which a cache may keep for others. */
  #tell({ status }: ResponseHead): void {
    const { endpoint, exchange } = this.#call;
    if (exchange === null) return;
    // Nobody is bound to an endpoint because it failed.
    const isBound = endpoint === null || status >= 500 || (endpoint.url === this.bound?.endpoint.url && !this.#isOld);
    exchange.affinity = isBound ? '' : this.#affinity.cookieFor(endpoint, exchange.scheme === 'https');
  }
}
