import { isIPv4, isIPv6 } from 'node:net';
import ipaddr from 'ipaddr.js';
import { canonicalAddress, parseIPv4 } from './cidr.ts';

/**
 * The PROXY protocol, versions 1 and 2 (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt; section numbers
 * below are its own): what a balancer puts before the first byte of a connection to say whose connection it is. A
 * listener that expects it refuses whatever does not begin with it, since a client could otherwise speak in its place.
 */
interface ProxyHeader {
  /** Bytes of the header: what follows is the connection's own. */
  readonly length: number;
  /** Null when the balancer speaks for itself (LOCAL, health checks) or cannot say: the real endpoints then count. */
  readonly endpoints: ProxiedEndpoints | null;
}

/** Addresses are textual and empty for Unix sockets. */
export interface ProxiedEndpoints {
  readonly sourceAddress: string;
  readonly sourcePort: number;
  readonly destinationAddress: string;
  readonly destinationPort: number;
}

/** `more`: a valid beginning. `refused`: close the connection. */
export type ProxyHeaderResult = ProxyHeader | 'more' | 'refused';

/** Section 2.1: the longest version 1 line, CRLF included. */
const MAX_V1 = 107;
/** Far above what balancers send besides addresses (TLS details, a name, an identifier), and small enough to wait for. */
const MAX_V2 = 4096;
const V1_SIGNATURE = Buffer.from('PROXY ', 'latin1');
const V2_SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V2_FIXED = 16;

const LOCAL = 0x20;
const PROXY = 0x21;
const UNSPECIFIED = 0x00;
const TCP_IPV4 = 0x11;
const TCP_IPV6 = 0x21;
const UNIX_STREAM = 0x31;

const NO_ADDRESS: ProxiedEndpoints = Object.freeze({
  sourceAddress: '',
  sourcePort: 0,
  destinationAddress: '',
  destinationPort: 0,
});

/** Reads what arrived so far, from its first byte; to be asked again with more after `more`. */
export function readProxyHeader(bytes: Buffer): ProxyHeaderResult {
  if (bytes.length === 0) return 'more';
  if (bytes[0] === V2_SIGNATURE[0]) return readV2(bytes);
  return readV1(bytes);
}

function startsAs(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length);
  return bytes.compare(signature, 0, length, 0, length) === 0;
}

function readV1(bytes: Buffer): ProxyHeaderResult {
  if (!startsAs(bytes, V1_SIGNATURE)) return 'refused';
  const newline = bytes.subarray(0, MAX_V1).indexOf(10);
  if (newline < 0) return bytes.length >= MAX_V1 ? 'refused' : 'more';
  if (bytes[newline - 1] !== 13) return 'refused';
  const line = bytes.latin1Slice(V1_SIGNATURE.length, newline - 1);
  const length = newline + 1;
  // Section 2.1: whatever follows UNKNOWN must be ignored.
  if (line === 'UNKNOWN' || line.startsWith('UNKNOWN ')) return { length, endpoints: null };
  const [family, source = '', destination = '', sourcePort = '', destinationPort = '', ...rest] = line.split(' ');
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isScopelessIPv6 : null;
  if (isAddress === null || rest.length > 0) return 'refused';
  if (!isAddress(source) || !isAddress(destination) || !isPort(sourcePort) || !isPort(destinationPort))
    return 'refused';
  return {
    length,
    endpoints: {
      sourceAddress: canonicalAddress(source) ?? '',
      sourcePort: Number(sourcePort),
      destinationAddress: canonicalAddress(destination) ?? '',
      destinationPort: Number(destinationPort),
    },
  };
}

function isScopelessIPv6(text: string): boolean {
  return isIPv6(text) && !text.includes('%');
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

function readV2(bytes: Buffer): ProxyHeaderResult {
  if (!startsAs(bytes, V2_SIGNATURE)) return 'refused';
  if (bytes.length < V2_FIXED) return 'more';
  const command = bytes.readUInt8(12);
  const family = bytes.readUInt8(13);
  const length = V2_FIXED + bytes.readUInt16BE(14);
  if ((command !== LOCAL && command !== PROXY) || length > MAX_V2) return 'refused';
  // Section 2.2: LOCAL discards the addresses, whatever they are.
  const size = command === LOCAL || family === UNSPECIFIED ? 0 : addressBytes(family);
  if (size < 0 || length - V2_FIXED < size) return 'refused';
  if (bytes.length < length) return 'more';
  const body = bytes.subarray(V2_FIXED, length);
  if (!hasWholeFields(body, command === LOCAL ? body.length : size)) return 'refused';
  if (size === 0) return { length, endpoints: null };
  if (family === UNIX_STREAM) return { length, endpoints: NO_ADDRESS };
  const width = family === TCP_IPV4 ? 4 : 16;
  return {
    length,
    endpoints: {
      sourceAddress: textOf(body.subarray(0, width)),
      sourcePort: body.readUInt16BE(width * 2),
      destinationAddress: textOf(body.subarray(width, width * 2)),
      destinationPort: body.readUInt16BE(width * 2 + 2),
    },
  };
}

/** Section 2.2: bytes of the address block; -1 for families and transports that no HTTP connection has. */
function addressBytes(family: number): number {
  if (family === TCP_IPV4) return 12;
  if (family === TCP_IPV6) return 36;
  return family === UNIX_STREAM ? 216 : -1;
}

/** The type-length-value fields behind the addresses are skipped, but have to end where the header does. */
function hasWholeFields(body: Buffer, from: number): boolean {
  let at = from;
  while (at + 3 <= body.length) at += 3 + body.readUInt16BE(at + 1);
  return at === body.length;
}

function textOf(address: Buffer): string {
  const text = ipaddr.fromByteArray([...address]).toString();
  return canonicalAddress(text) ?? '';
}

export function encodeProxyV1(endpoints: ProxiedEndpoints): string {
  const { sourceAddress, sourcePort, destinationAddress, destinationPort } = endpoints;
  if (sourceAddress === '' || destinationAddress === '') return 'PROXY UNKNOWN\r\n';
  const both4 = parseIPv4(sourceAddress) >= 0 && parseIPv4(destinationAddress) >= 0;
  const source = both4 ? sourceAddress : asIPv6(sourceAddress);
  const destination = both4 ? destinationAddress : asIPv6(destinationAddress);
  return `PROXY ${both4 ? 'TCP4' : 'TCP6'} ${source} ${destination} ${sourcePort} ${destinationPort}\r\n`;
}

export function encodeProxyV2(endpoints: ProxiedEndpoints): Buffer {
  const { sourceAddress, sourcePort, destinationAddress, destinationPort } = endpoints;
  const known = sourceAddress !== '' && destinationAddress !== '';
  const both4 = known && parseIPv4(sourceAddress) >= 0 && parseIPv4(destinationAddress) >= 0;
  const width = known ? (both4 ? 4 : 16) : 0;
  const bytes = Buffer.alloc(V2_FIXED + (known ? width * 2 + 4 : 0));
  V2_SIGNATURE.copy(bytes);
  bytes.writeUInt8(PROXY, 12);
  bytes.writeUInt8(known ? (both4 ? TCP_IPV4 : TCP_IPV6) : UNSPECIFIED, 13);
  bytes.writeUInt16BE(bytes.length - V2_FIXED, 14);
  if (!known) return bytes;
  bytes.set(bytesOf(sourceAddress, both4), V2_FIXED);
  bytes.set(bytesOf(destinationAddress, both4), V2_FIXED + width);
  bytes.writeUInt16BE(sourcePort, V2_FIXED + width * 2);
  bytes.writeUInt16BE(destinationPort, V2_FIXED + width * 2 + 2);
  return bytes;
}

/** One family for both ends: an IPv4 address beside an IPv6 one goes as the address that maps it. */
function asIPv6(address: string): string {
  return parseIPv4(address) >= 0 ? `::ffff:${address}` : address;
}

function bytesOf(address: string, asIPv4: boolean): number[] {
  return ipaddr.parse(asIPv4 ? address : asIPv6(address)).toByteArray();
}
