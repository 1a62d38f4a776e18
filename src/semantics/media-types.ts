/** `text/html; charset=utf-8` → `text/html`. */
export function essenceOf(contentType: string): string {
  const end = contentType.indexOf(';');
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
}

const TYPE = /^(?:\*|[!#$&^_.+0-9a-z-]+)\/(?:\*|\*\+[0-9a-z.-]+|[!#$&^_.+0-9a-z-]+)$/i;
/** A page of events that never ends: no wildcard means it. */
const EVENTS = 'text/event-stream';
/** A service has few types; one with parameters that change all the time must not fill the memory. */
const MAX_KNOWN = 256;

/** A set of media types: `application/json`, `text/*`, of a family `application/*+json`, or all of them. */
export class MediaTypes {
  readonly #exact = new Set<string>();
  readonly #prefixes: string[] = [];
  readonly #families: (readonly [prefix: string, suffix: string])[] = [];
  readonly #known = new Map<string, boolean>();

  constructor(patterns: readonly string[]) {
    for (const pattern of patterns.map((text) => text.toLowerCase())) {
      const star = pattern.indexOf('*', pattern.indexOf('/'));
      if (pattern === '*/*') this.#prefixes.push('');
      else if (star < 0) this.#exact.add(pattern);
      else if (star === pattern.length - 1) this.#prefixes.push(pattern.slice(0, star));
      else this.#families.push([pattern.slice(0, star), pattern.slice(star + 1)]);
    }
  }

  /** Whether it can be written in a list of patterns. */
  static isPattern(text: string): boolean {
    return TYPE.test(text) && (!text.startsWith('*/') || text === '*/*');
  }

  /** By the value of `Content-Type`; what has none is in no set. */
  has(contentType: string | undefined): boolean {
    if (contentType === undefined) return false;
    let known = this.#known.get(contentType);
    if (known === undefined) {
      known = this.#matches(essenceOf(contentType));
      if (this.#known.size >= MAX_KNOWN) this.#known.clear();
      this.#known.set(contentType, known);
    }
    return known;
  }

  #matches(essence: string): boolean {
    if (this.#exact.has(essence)) return true;
    if (essence === EVENTS || !essence.includes('/')) return false;
    return (
      this.#prefixes.some((prefix) => essence.startsWith(prefix)) ||
      this.#families.some(([prefix, suffix]) => essence.startsWith(prefix) && essence.endsWith(suffix))
    );
  }
}
