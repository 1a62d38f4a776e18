import { isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { Parsed } from '../base/units.ts';

/**
 * Addresses and networks. IPv4-mapped IPv6 (`::ffff:10.0.0.1`, RFC 4291, 2.5.5.2) is the IPv4 address that it maps
 * wherever it is met: a dual-stack socket reports every IPv4 client that way, and a list must not be walked around
 * by the other spelling.
 */

/** A run of addresses, both ends included: 32-bit numbers for IPv4, 128-bit ones for IPv6. */
export type Network =
  | { readonly family: 4; readonly first: number; readonly last: number }
  | { readonly family: 6; readonly first: bigint; readonly last: bigint };

const MAPPED_PREFIX = 0xffffn << 32n;
const MAPPED_LAST = MAPPED_PREFIX | 0xffff_ffffn;
const ALL_IPV6 = (1n << 128n) - 1n;
/** IPv6 answers kept by a set. An address costs the library some microseconds to parse, a look-up far less. */
const MAX_REMEMBERED = 4096;

/** The number of a dotted quad of four decimals without leading zeros, else -1: `010.0.0.1` means two things. */
export function parseIPv4(text: string): number {
  let address = 0;
  let octet = -1;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 46) {
      if (octet < 0 || ++dots > 3) return -1;
      address = address * 256 + octet;
      octet = -1;
    } else if (code >= 48 && code <= 57) {
      if (octet === 0) return -1;
      octet = octet < 0 ? code - 48 : octet * 10 + code - 48;
      if (octet > 255) return -1;
    } else {
      return -1;
    }
  }
  return dots === 3 && octet >= 0 ? address * 256 + octet : -1;
}

/** A scope (`%eth0`, RFC 4007) names an interface of this machine; it is no part of the address. */
function withoutZone(text: string): string {
  const zone = text.indexOf('%');
  return zone < 0 ? text : text.slice(0, zone);
}

function parseIPv6(text: string): bigint | null {
  if (!isIPv6(text)) return null;
  let address = 0n;
  for (const part of ipaddr.IPv6.parse(text).parts) address = (address << 16n) | BigInt(part);
  return address;
}

function isMapped(address: bigint): boolean {
  return address >= MAPPED_PREFIX && address <= MAPPED_LAST;
}

/** The one spelling of an address (RFC 5952) that logs, limits and lists go by, or null when it is none. */
export function canonicalAddress(text: string): string | null {
  if (parseIPv4(text) >= 0) return text;
  const plain = withoutZone(text);
  if (!isIPv6(plain)) return null;
  const address = ipaddr.IPv6.parse(plain);
  return address.isIPv4MappedAddress() ? address.toIPv4Address().toString() : address.toRFC5952String();
}

/**
 * What stands for a client in limits and lists of addresses: an IPv4 address is one, and of an IPv6 address the first 64
 * bits, since a site has all of a /64 and picks addresses of it at will (RFC 4291, 2.5.1; RFC 8981). Takes the one
 * spelling of `canonicalAddress`.
 */
export function subscriberOf(address: string): string {
  let end = address.indexOf(':');
  if (end < 0) return address;
  // Four groups written out, as they mostly are.
  for (let groups = 1; groups < 4; groups++) {
    const next = address.indexOf(':', end + 1);
    if (next <= end + 1) return expandedSubscriber(address);
    end = next;
  }
  return end === 0 ? expandedSubscriber(address) : `${address.slice(0, end)}::/64`;
}

function expandedSubscriber(address: string): string {
  const gap = address.indexOf('::');
  const front = gap < 0 ? address.split(':') : address.slice(0, gap).split(':').filter(isPresent);
  const back =
    gap < 0
      ? []
      : address
          .slice(gap + 2)
          .split(':')
          .filter(isPresent);
  const groups = [...front, ...Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0'), ...back];
  return `${groups[0]}:${groups[1]}:${groups[2]}:${groups[3]}::/64`;
}

function isPresent(group: string): boolean {
  return group !== '';
}

/** `10.0.0.0/8`, `::1`, `2001:db8::/32`. A single address is a network of one. */
export function parseNetwork(text: string): Parsed<Network> {
  const slash = text.indexOf('/');
  const base = slash < 0 ? text : text.slice(0, slash);
  const ipv4 = parseIPv4(base);
  const ipv6 = ipv4 < 0 && !base.includes('%') ? parseIPv6(base) : null;
  if (ipv4 < 0 && ipv6 === null) return refuse('this is not an address or network', addressRemedy(text));
  const width = ipv4 < 0 ? 128 : 32;
  const prefix = slash < 0 ? width : prefixLength(text.slice(slash + 1), width);
  if (prefix < 0) {
    return refuse('the prefix length is not valid', `Write \`${base}/0\` to \`${base}/${width}\`.`);
  }
  if (ipv6 === null) {
    const size = 2 ** (32 - prefix);
    const first = Math.floor(ipv4 / size) * size;
    if (first !== ipv4) return refuseHostBits(formatIPv4(first), base, prefix);
    return { ok: true, value: { family: 4, first, last: first + size - 1 } };
  }
  const hostBits = ALL_IPV6 >> BigInt(prefix);
  const first = ipv6 & ~hostBits;
  if (first !== ipv6) return refuseHostBits(formatIPv6(first), base, prefix);
  const last = first | hostBits;
  if (prefix >= 96 && isMapped(first)) {
    return { ok: true, value: { family: 4, first: Number(first & 0xffff_ffffn), last: Number(last & 0xffff_ffffn) } };
  }
  return { ok: true, value: { family: 6, first, last } };
}

/** A set of networks, ready to be asked often. */
export class AddressSet {
  readonly #ipv4: Ranges<number>;
  readonly #ipv6: Ranges<bigint>;
  readonly #remembered = new Map<string, boolean>();

  constructor(networks: readonly Network[]) {
    this.#ipv4 = merge(networks.filter((network) => network.family === 4));
    this.#ipv6 = merge(networks.filter((network) => network.family === 6));
  }

  get isEmpty(): boolean {
    return this.#ipv4.first.length === 0 && this.#ipv6.first.length === 0;
  }

  /** False for what is no address: an unknown client is in no list. */
  contains(address: string): boolean {
    const ipv4 = parseIPv4(address);
    if (ipv4 >= 0) return within(this.#ipv4, ipv4);
    if (address === '' || this.isEmpty) return false;
    let answer = this.#remembered.get(address);
    if (answer === undefined) {
      answer = this.#containsIPv6(address);
      if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
      this.#remembered.set(address, answer);
    }
    return answer;
  }

  #containsIPv6(text: string): boolean {
    const address = parseIPv6(withoutZone(text));
    if (address === null) return false;
    return isMapped(address) ? within(this.#ipv4, Number(address & 0xffff_ffffn)) : within(this.#ipv6, address);
  }
}

/** Sorted and apart: one binary search finds the only range that may hold a value. */
interface Ranges<T extends number | bigint> {
  readonly first: T[];
  readonly last: T[];
}

function merge<T extends number | bigint>(networks: readonly { readonly first: T; readonly last: T }[]): Ranges<T> {
  const ranges: Ranges<T> = { first: [], last: [] };
  for (const { first, last } of networks.toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))) {
    const end = ranges.last.length - 1;
    const previous = ranges.last[end];
    if (previous !== undefined && first <= previous) {
      if (last > previous) ranges.last[end] = last;
    } else {
      ranges.first.push(first);
      ranges.last.push(last);
    }
  }
  return ranges;
}

function within<T extends number | bigint>(ranges: Ranges<T>, value: T): boolean {
  let low = 0;
  let high = ranges.first.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (value < (ranges.first[middle] as T)) high = middle - 1;
    else if (value > (ranges.last[middle] as T)) low = middle + 1;
    else return true;
  }
  return false;
}

function prefixLength(text: string, width: number): number {
  if (!/^(0|[1-9]\d{0,2})$/.test(text)) return -1;
  const length = Number(text);
  return length <= width ? length : -1;
}

function formatIPv4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

function formatIPv6(address: bigint): string {
  const parts = Array.from({ length: 8 }, (_, i) => Number((address >> BigInt(112 - i * 16)) & 0xffffn));
  return new ipaddr.IPv6(parts).toRFC5952String();
}

function refuse(message: string, remedy: string): { ok: false; message: string; remedy: string } {
  return { ok: false, message, remedy };
}

function refuseHostBits(network: string, base: string, prefix: number) {
  return refuse(
    'this network has bits set behind its prefix',
    `Write \`${network}/${prefix}\`, or \`${base}\` for the one address.`,
  );
}

function addressRemedy(text: string): string {
  const numbers = /^(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text.split('/')[0] ?? '');
  if (numbers?.slice(1).some((octet) => octet.length > 1 && octet.startsWith('0'))) {
    return 'Write its numbers without leading zeros.';
  }
  const bracketed = /^\[(.+)\]$/.exec(text)?.[1];
  if (bracketed !== undefined && isIPv6(bracketed)) return `Write \`${bracketed}\`.`;
  return 'Write for instance `192.0.2.7`, `10.0.0.0/8`, `::1` or `2001:db8::/32`.';
}
