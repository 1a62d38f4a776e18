import { fieldName, type HeaderBlock } from '../../../base/headers.ts';
import { cookieField, cookieValue } from '../../../semantics/cookie.ts';

/** Browsers keep no cookie whose name, value and attributes are longer than 4096 bytes together (RFC 6265, 6.1). */
const CHUNK = 3800;
/** Whoever sends more than some 15 KB of cookies is refused by many servers, and by this one with the rest of a head. */
const MAX_CHUNKS = 4;
const HOST_PREFIX = '__Host-';
const COUNT_AND_DOT = /^[1-4]\./;

const cookie = fieldName('cookie');
const setCookie = fieldName('set-cookie');

export interface CookieOptions {
  /** Without the prefix. */
  readonly name: string;
  readonly sameSite: 'Lax' | 'Strict';
}

/** How many cookies a session with that text is in. */
export function chunksOf(text: string): number {
  return Math.max(1, Math.ceil(text.length / CHUNK));
}

/**
 * The cookies of one entry of `auth`, over TLS or without: the session, whose text is in as many as it needs, and a
 * short-lived one for every login under way. Over TLS they have the prefix `__Host-` (RFC 6265bis, 4.1.3.2): no other
 * host, neighbours under the same domain included, can set them.
 */
export class Cookies {
  readonly name: string;
  readonly #bareName: string;
  readonly #chunkNames: readonly string[];
  readonly #dotted: string;
  readonly #sessionAttributes: string;
  readonly #loginAttributes: string;

  constructor({ name, sameSite }: CookieOptions, isSecure: boolean) {
    this.name = isSecure ? HOST_PREFIX + name : name;
    this.#bareName = name;
    this.#chunkNames = Array.from({ length: MAX_CHUNKS }, (_, i) => (i === 0 ? this.name : `${this.name}.${i}`));
    this.#dotted = `${this.name}.`;
    const attributes = `; Path=/; HttpOnly${isSecure ? '; Secure' : ''}; SameSite=`;
    this.#sessionAttributes = attributes + sameSite;
    // The way back from the provider comes from another site.
    this.#loginAttributes = `${attributes}Lax`;
  }

  /** The session's text; undefined: no such cookie; empty: a part is missing. */
  readSession(field: string): string | undefined {
    const first = cookieValue(field, this.name);
    if (first === undefined) return undefined;
    if (!COUNT_AND_DOT.test(first)) return '';
    let text = first.slice(2);
    const count = first.charCodeAt(0) - 48;
    for (let i = 1; i < count; i++) {
      const part = cookieValue(field, this.#chunkNames[i] as string);
      if (part === undefined) return '';
      text += part;
    }
    return text;
  }

  fits(text: string): boolean {
    return text.length <= CHUNK * MAX_CHUNKS;
  }

  /** Up to the last one that the browser has, complete or not. */
  chunksIn(field: string): number {
    return this.#chunkNames.findLastIndex((name) => cookieValue(field, name) !== undefined) + 1;
  }

  /** `before`: how many chunks the browser has; what is left of a longer session goes. */
  writeSession(headers: HeaderBlock, text: string, seconds: number, before: number): void {
    const count = chunksOf(text);
    for (let i = 0; i < count; i++) {
      const part = text.slice(i * CHUNK, (i + 1) * CHUNK);
      const value = i === 0 ? `${count}.${part}` : part;
      headers.add(setCookie, `${this.#chunkNames[i]}=${value}; Max-Age=${seconds}${this.#sessionAttributes}`);
    }
    this.#clearChunks(headers, count, before);
  }

  clearSession(headers: HeaderBlock, field: string): void {
    this.#clearChunks(headers, 0, this.chunksIn(field));
  }

  readLogin(field: string, key: string): string | undefined {
    return cookieValue(field, this.#loginName(key));
  }

  writeLogin(headers: HeaderBlock, key: string, text: string, seconds: number): void {
    headers.add(setCookie, `${this.#loginName(key)}=${text}; Max-Age=${seconds}${this.#loginAttributes}`);
  }

  clearLogin(headers: HeaderBlock, key: string): void {
    this.#clear(headers, this.#loginName(key), this.#loginAttributes);
  }

  /** Keys of the logins that are under way in this browser. */
  loginKeys(field: string): string[] {
    const prefix = this.#loginName('');
    return names(field).flatMap((name) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : []));
  }

  /** Takes all of these cookies, and no other, out of what the service will see: those without TLS come over TLS too. */
  conceal(headers: HeaderBlock): void {
    const field = cookieField(headers);
    if (field === undefined) return;
    const rest = field.split(';').filter((pair) => !this.#isOwn(nameOf(pair)));
    headers.remove(cookie);
    if (rest.length > 0) headers.add(cookie, rest.join(';').trim());
  }

  #loginName(key: string): string {
    return `${this.#dotted}login.${key}`;
  }

  #isOwn(name: string): boolean {
    const bare = name.startsWith(HOST_PREFIX) ? name.slice(HOST_PREFIX.length) : name;
    return (
      bare.startsWith(this.#bareName) && (bare.length === this.#bareName.length || bare[this.#bareName.length] === '.')
    );
  }

  #clearChunks(headers: HeaderBlock, from: number, to: number): void {
    for (let i = from; i < to; i++) this.#clear(headers, this.#chunkNames[i] as string, this.#sessionAttributes);
  }

  #clear(headers: HeaderBlock, name: string, attributes: string): void {
    headers.add(setCookie, `${name}=; Max-Age=0${attributes}`);
  }
}

function names(field: string): string[] {
  return field.split(';').map(nameOf);
}

/** White space before the sign is allowed by some servers: what they take for a session must not slip through. */
function nameOf(pair: string): string {
  const equals = pair.indexOf('=');
  return (equals < 0 ? pair : pair.slice(0, equals)).trim();
}
