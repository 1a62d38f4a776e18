/** Content codings of messages: what a client accepts (RFC 9110, 12.5.3), and what a response has (RFC 9110, 8.4). */

/** Those that are made and undone here. RFC 9110, 8.4.1; RFC 7932; RFC 8878 with the window of RFC 9659. */
export const contentCodings = ['br', 'zstd', 'gzip'] as const;
export type ContentCoding = (typeof contentCodings)[number];

/** Thousandths; 0: not acceptable. */
export interface Acceptance {
  readonly br: number;
  readonly zstd: number;
  readonly gzip: number;
  readonly identity: number;
}

const MEMBER = /^([!#$%&'*+.^_`|~0-9a-z-]+)(?:[ \t]*;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?$/;
/** Everything is preferred to an answer without coding of which the client says nothing, but for what it refuses. */
const LEAST = 1;

/**
 * What a client accepts. A client that says nothing would have to take anything by the letter; those that do say nothing
 * mostly cannot undo any coding. Members that are not well-formed count as not there.
 */
export function parseAcceptEncoding(text: string | undefined): Acceptance {
  const weights = new Map<string, number>();
  for (const part of (text ?? '').toLowerCase().split(',')) {
    const [, name, weight = '1'] = MEMBER.exec(part.trim()) ?? [];
    if (name !== undefined) weights.set(name === 'x-gzip' ? 'gzip' : name, Math.round(Number(weight) * 1000));
  }
  // `*` stands for each coding that is not named.
  const others = weights.get('*');
  const of = (coding: string): number => weights.get(coding) ?? others ?? 0;
  return { br: of('br'), zstd: of('zstd'), gzip: of('gzip'), identity: weights.get('identity') ?? others ?? LEAST };
}

/** What the response to a request should have. */
export interface Wanted {
  /** The shortest way to ask for it, the same for all clients that get the same: `br, gzip;q=0.5`. */
  readonly text: string;
  /** Null: none. */
  readonly coding: ContentCoding | null;
  /** A response that has gzip already will do, too. */
  readonly takesGzip: boolean;
  /** False: the client refuses a response without coding. */
  readonly takesIdentity: boolean;
}

/**
 * The preferred coding of these; `offered` decides between equal ones. What cannot be given in any way that the client
 * accepts is given without coding: a server may disregard the field (RFC 9110, 12.1).
 */
export function negotiate(accepted: Acceptance, offered: readonly ContentCoding[]): Wanted {
  let coding: ContentCoding | null = null;
  let best = 0;
  for (const each of offered) {
    if (accepted[each] <= best) continue;
    coding = each;
    best = accepted[each];
  }
  if (coding === null || accepted.identity > best) return noCoding;
  // Only behind the one that is wanted, so that the same comes of it to whom weights mean nothing.
  const isBehind = offered.indexOf('gzip') > offered.indexOf(coding);
  const takesGzip = coding === 'gzip' || (accepted.gzip > 0 && isBehind);
  const takesIdentity = accepted.identity > 0;
  const text = `${coding}${takesGzip && coding !== 'gzip' ? ', gzip;q=0.5' : ''}${takesIdentity ? '' : ', identity;q=0'}`;
  return { text, coding, takesGzip, takesIdentity };
}

export const noCoding: Wanted = { text: 'identity', coding: null, takesGzip: false, takesIdentity: true };

/** Ways to say the same are many, those that are heard in practice few. */
const MAX_KNOWN = 128;

/** Negotiates by one list of codings, and remembers. */
export class Negotiator {
  readonly #offered: readonly ContentCoding[];
  readonly #known = new Map<string, Wanted>();

  constructor(offered: readonly ContentCoding[]) {
    this.#offered = offered;
  }

  wanted(acceptEncoding: string | undefined): Wanted {
    if (acceptEncoding === undefined) return noCoding;
    const known = this.#known.get(acceptEncoding);
    if (known !== undefined) return known;
    const wanted = negotiate(parseAcceptEncoding(acceptEncoding), this.#offered);
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(acceptEncoding, wanted);
    return wanted;
  }
}

/** The coding of a response, from `Content-Encoding`; `other` is one, or several, that nothing is done about here. */
export function codingOf(contentEncoding: string | undefined): ContentCoding | 'other' | null {
  switch (contentEncoding?.trim().toLowerCase()) {
    case undefined:
    case '':
    // RFC 9110, 8.4.1: it should not be there, and means nothing.
    case 'identity':
      return null;
    case 'br':
      return 'br';
    case 'zstd':
      return 'zstd';
    case 'gzip':
    case 'x-gzip':
      return 'gzip';
    default:
      return 'other';
  }
}

/** The same entity tag for a representation that is equal but not byte by byte (RFC 9110, 8.8.1). */
export function weakened(entityTag: string): string {
  return entityTag.startsWith('"') ? `W/${entityTag}` : entityTag;
}

const NO_TRANSFORM = /(?:^|[,\s])no-transform(?:[,\s]|$)/i;

/** RFC 9111, 5.2.2.6. */
export function forbidsTransform(cacheControl: string | undefined): boolean {
  return cacheControl !== undefined && NO_TRANSFORM.test(cacheControl);
}
