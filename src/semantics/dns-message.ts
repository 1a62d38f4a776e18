import { Buffer } from 'node:buffer';

/**
 * The part of DNS (RFC 1035, RFC 2782, RFC 3596) that finding a service takes: one question, and its answer with times to
 * live, which the system's resolver and Node's do not tell of SRV records.
 */

export type RecordType = 'A' | 'AAAA' | 'SRV';

export interface AddressRecord {
  readonly address: string;
  /** Seconds. */
  readonly ttl: number;
}

export interface ServiceRecord {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  /** Lower case, without the final dot; empty: the service is decidedly not there. */
  readonly target: string;
  readonly ttl: number;
}

export interface DnsAnswer {
  /** RCODE: 0 is fine, 3 means that there is no such name. */
  readonly code: number;
  /** It did not fit: to be asked for again over TCP. */
  readonly truncated: boolean;
  /** What the question asked for, behind aliases; one of the two is filled. */
  readonly addresses: readonly AddressRecord[];
  readonly services: readonly ServiceRecord[];
  /** Addresses of hosts that the server added unasked, by lower-case name. */
  readonly added: ReadonlyMap<string, readonly AddressRecord[]>;
  /** Seconds for which it is good: the shortest time on the way. Null: the answer does not say. */
  readonly ttl: number | null;
}

export const NO_SUCH_NAME = 3;

const TYPES: Readonly<Record<RecordType, number>> = { A: 1, AAAA: 28, SRV: 33 };
const CNAME = 5;
const SOA = 6;
const INTERNET = 1;
const HEADER_BYTES = 12;
const RESPONSE = 0x8000;
const TRUNCATED = 0x0200;
const RECURSION_DESIRED = 0x0100;
const MAX_NAME = 255;
const MAX_LABEL = 63;
const MAX_ALIASES = 16;
/** RFC 2181, 8: a time to live has 31 bits. */
const MAX_TTL = 0x7fffffff;

/** Null: this cannot be a name in DNS. */
export function encodeQuestion(id: number, name: string, type: RecordType): Buffer | null {
  const labels = name.replace(/\.$/, '').split('.');
  if (labels.some((label) => label === '' || label.length > MAX_LABEL || !/^[!-~]*$/.test(label))) return null;
  const encoded = Buffer.from(
    `${labels.map((label) => String.fromCharCode(label.length) + label).join('')}\0`,
    'latin1',
  );
  if (encoded.length > MAX_NAME) return null;
  const message = Buffer.alloc(HEADER_BYTES + encoded.length + 4);
  message.writeUInt16BE(id, 0);
  message.writeUInt16BE(RECURSION_DESIRED, 2);
  message.writeUInt16BE(1, 4);
  encoded.copy(message, HEADER_BYTES);
  message.writeUInt16BE(TYPES[type], HEADER_BYTES + encoded.length);
  message.writeUInt16BE(INTERNET, HEADER_BYTES + encoded.length + 2);
  return message;
}

/** Null: the message does not answer that question, and may be anybody's. Throws when it does and is malformed. */
export function decodeAnswer(message: Buffer, question: Buffer, name: string, type: RecordType): DnsAnswer | null {
  if (message.length < HEADER_BYTES || message.readUInt16BE(0) !== question.readUInt16BE(0)) return null;
  const flags = message.readUInt16BE(2);
  if ((flags & RESPONSE) === 0) return null;
  const code = flags & 0x0f;
  const reader = new Reader(message);
  // A server that cannot make sense of a question may leave it out of its answer.
  const questions = message.readUInt16BE(4);
  if (questions > 1 || (questions === 0 && code === 0)) return null;
  const asked = plainName(name);
  if (questions === 1) {
    const [about, kind, kindOf] = [reader.name(), reader.uint16(), reader.uint16()];
    if (about !== asked || kind !== TYPES[type] || kindOf !== INTERNET) return null;
  }
  const truncated = (flags & TRUNCATED) !== 0;
  // What did not fit is asked for again, so how far it got does not matter.
  if (truncated) return { code, truncated, addresses: [], services: [], added: new Map(), ttl: null };
  const answers = reader.records(message.readUInt16BE(6));
  const authority = reader.records(message.readUInt16BE(8));
  const added = addressesByName(reader.records(message.readUInt16BE(10)));
  const { found, ttl } = follow(answers, asked, TYPES[type]);
  const addresses = found.flatMap(({ data, ttl }) => ('address' in data ? [{ address: data.address, ttl }] : []));
  const services = found.flatMap(({ data, ttl }) => ('target' in data ? [{ ...data, ttl }] : []));
  return { code, truncated, addresses, services, added, ttl: ttl ?? negativeTtl(authority) };
}

/** As names are compared: lower case, without the final dot. */
function plainName(name: string): string {
  return name.replace(/\.$/, '').toLowerCase();
}

type Data =
  | { address: string }
  | Omit<ServiceRecord, 'ttl'>
  | { alias: string }
  | { minimum: number }
  | { other: true };
interface Resource {
  readonly owner: string;
  readonly type: number;
  readonly ttl: number;
  readonly data: Data;
}

/** The records of a name, behind its aliases, and the shortest time to live of all that took part. */
function follow(answers: readonly Resource[], asked: string, type: number): { found: Resource[]; ttl: number | null } {
  let name = asked;
  let shortest = Number.POSITIVE_INFINITY;
  for (let step = 0; step < MAX_ALIASES; step++) {
    const found = answers.filter((each) => each.owner === name && each.type === type);
    if (found.length > 0) return { found, ttl: Math.min(shortest, ...found.map(({ ttl }) => ttl)) };
    const alias = answers.find((each) => each.owner === name && 'alias' in each.data);
    if (alias === undefined || !('alias' in alias.data)) break;
    shortest = Math.min(shortest, alias.ttl);
    name = alias.data.alias;
  }
  return { found: [], ttl: null };
}

/** RFC 2308, 5: how long it is known that there is nothing. */
function negativeTtl(authority: readonly Resource[]): number | null {
  for (const { data, ttl } of authority) if ('minimum' in data) return Math.min(ttl, data.minimum);
  return null;
}

function addressesByName(records: readonly Resource[]): Map<string, AddressRecord[]> {
  const byName = new Map<string, AddressRecord[]>();
  for (const { owner, data, ttl } of records) {
    if (!('address' in data)) continue;
    const known = byName.get(owner);
    if (known === undefined) byName.set(owner, [{ address: data.address, ttl }]);
    else known.push({ address: data.address, ttl });
  }
  return byName;
}

/** Reads past the end of a buffer throw by themselves. */
class Reader {
  readonly #message: Buffer;
  #at = HEADER_BYTES;

  constructor(message: Buffer) {
    this.#message = message;
  }

  uint16(): number {
    this.#at += 2;
    return this.#message.readUInt16BE(this.#at - 2);
  }

  uint32(): number {
    this.#at += 4;
    return this.#message.readUInt32BE(this.#at - 4);
  }

  records(count: number): Resource[] {
    return Array.from({ length: count }, () => this.#record());
  }

  /** Lower case. A name may go on anywhere before itself; going backwards only, it comes to an end. */
  name(): string {
    const message = this.#message;
    const labels: string[] = [];
    let at = this.#at;
    let behind = -1;
    let lowest = at;
    let length = 0;
    for (;;) {
      const size = message.readUInt8(at);
      if (size >= 0xc0) {
        if (behind < 0) behind = at + 2;
        at = message.readUInt16BE(at) & 0x3fff;
        if (at >= lowest) throw new Error('a name that refers forward');
        lowest = at;
        continue;
      }
      if (size > MAX_LABEL) throw new Error('a label of an unknown kind');
      at += 1 + size;
      if (size === 0) break;
      length += 1 + size;
      const label = message.toString('latin1', at - size, at);
      // A dot inside a label would make another name of it.
      if (length > MAX_NAME || label.length < size || !/^[!-\-/-~]+$/.test(label)) throw new Error('an invalid name');
      labels.push(label.toLowerCase());
    }
    this.#at = behind < 0 ? at : behind;
    return labels.join('.');
  }

  #record(): Resource {
    const owner = this.name();
    const type = this.uint16();
    const kind = this.uint16();
    const ttl = this.uint32();
    const size = this.uint16();
    const end = this.#at + size;
    if (end > this.#message.length) throw new Error('a record that is cut off');
    const data = kind === INTERNET ? this.#data(type, size) : { other: true as const };
    if (this.#at > end) throw new Error('a record that is longer than it says');
    this.#at = end;
    return { owner, type, ttl: ttl > MAX_TTL ? 0 : ttl, data };
  }

  #data(type: number, size: number): Data {
    switch (type) {
      case TYPES.A:
        if (size !== 4) throw new Error('an address of a wrong size');
        return { address: this.#message.subarray(this.#at, this.#at + 4).join('.') };
      case TYPES.AAAA:
        if (size !== 16) throw new Error('an address of a wrong size');
        return { address: this.#ipv6() };
      case TYPES.SRV: {
        const [priority, weight, port] = [this.uint16(), this.uint16(), this.uint16()];
        return { priority, weight, port, target: this.name() };
      }
      case CNAME:
        return { alias: this.name() };
      case SOA:
        this.name();
        this.name();
        this.#at += 16;
        return { minimum: this.uint32() };
      default:
        return { other: true };
    }
  }

  /** RFC 5952, so that one address is always the same text. */
  #ipv6(): string {
    const groups = Array.from({ length: 8 }, () => this.uint16().toString(16));
    let [from, length] = [-1, 1];
    for (let i = 0; i < 8; i++) {
      let end = i;
      while (end < 8 && groups[end] === '0') end++;
      if (end - i > length) [from, length] = [i, end - i];
    }
    if (from < 0) return groups.join(':');
    return `${groups.slice(0, from).join(':')}::${groups.slice(from + length).join(':')}`;
  }
}
