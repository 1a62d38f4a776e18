import { FieldLines, type FieldName, fieldName, type HeaderBlock } from '../base/headers.ts';
import { LookAlikes } from '../base/look-alikes.ts';
import { type AddressSet, canonicalAddress } from './cidr.ts';

/**
 * What trusted proxies say about the client, and what we say to the upstream: X-Forwarded-* and Forwarded (RFC 7239).
 * Only what stands right of the first untrusted address was written by someone we believe; the rest is the client's
 * own word. Whatever a trusted proxy says and we cannot read is refused rather than skipped: to fall back on the proxy's
 * address would let a client borrow it and walk through an address list.
 */
export interface ClientView {
  /** Empty when a trusted proxy says that it does not know, or hides, the client. */
  readonly address: string;
  readonly scheme: 'http' | 'https' | null;
  readonly host: string | null;
  /** The client and the proxies between it and the peer, as X-Forwarded-For lists them; empty when there are none. */
  readonly chain: string;
}

/** Which fields the trusted proxies write. */
export type ForwardingSource = 'either' | 'x-forwarded' | 'forwarded';

const xForwardedFor = fieldName('x-forwarded-for');
const xForwardedProto = fieldName('x-forwarded-proto');
const xForwardedHost = fieldName('x-forwarded-host');
const xForwardedPort = fieldName('x-forwarded-port');
const forwarded = fieldName('forwarded');

/** Statements about the client that services are known to believe: none crosses from an untrusted peer. */
export const clientStatements = [
  xForwardedFor,
  xForwardedProto,
  xForwardedHost,
  xForwardedPort,
  forwarded,
  fieldName('x-forwarded-prefix'),
  fieldName('x-forwarded-server'),
  fieldName('x-forwarded-scheme'),
  fieldName('x-forwarded-ssl'),
  fieldName('x-real-ip'),
] as const;

const statementsAlike = new LookAlikes(clientStatements.map(({ lower }) => lower));

const UNKNOWN = 'unknown';
const AUTHORITY = /^(?:[a-z0-9._~-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/;

/**
 * The client as seen through a trusted peer, or null when the fields cannot be understood.
 *
 * With `either`, X-Forwarded-For wins over Forwarded: most proxies know only the first and pass a client's Forwarded
 * on untouched. A proxy that writes only Forwarded needs `forwarded`, or clients could speak in its place.
 */
export function clientThroughProxies(
  peerAddress: string,
  headers: HeaderBlock,
  trusted: AddressSet,
  source: ForwardingSource = 'either',
): ClientView | null {
  const list = source === 'forwarded' ? undefined : headers.getAll(xForwardedFor);
  if (list === undefined && source !== 'x-forwarded') {
    const elements = headers.getAll(forwarded);
    if (elements !== undefined) return readForwarded(elements, trusted, peerAddress);
    if (source === 'forwarded') return { address: peerAddress, scheme: null, host: null, chain: '' };
  }
  const chain = list === undefined ? '' : vouchedFor(list, trusted);
  const proto = headers.getAll(xForwardedProto);
  const scheme = proto === undefined ? null : readScheme(lastItem(proto));
  const authority = headers.getAll(xForwardedHost);
  const host = authority === undefined ? null : readAuthority(lastItem(authority));
  if (chain === null || scheme === undefined || host === undefined) return null;
  return { address: firstOf(chain, peerAddress), scheme, host, chain };
}

/** The list from the rightmost untrusted address on, each in its one spelling; null when it cannot be read. */
function vouchedFor(list: string, trusted: AddressSet): string | null {
  let chain = '';
  let end = list.length;
  while (end >= 0) {
    const comma = end === 0 ? -1 : list.lastIndexOf(',', end - 1);
    const node = list.slice(comma + 1, end).trim();
    end = comma;
    if (node === '') continue;
    if (node === 'unknown') return prepend(UNKNOWN, chain);
    const address = readNode(node, true);
    if (address === null) return null;
    chain = prepend(address, chain);
    if (!trusted.contains(address)) return chain;
  }
  return chain;
}

function prepend(address: string, chain: string): string {
  return chain === '' ? address : `${address}, ${chain}`;
}

function firstOf(chain: string, peerAddress: string): string {
  if (chain === '') return peerAddress;
  const comma = chain.indexOf(',');
  const first = comma < 0 ? chain : chain.slice(0, comma);
  return first === UNKNOWN ? '' : first;
}

/** `192.0.2.7`, `192.0.2.7:80`, `[2001:db8::1]:80`, and where brackets are optional `2001:db8::1`; null when none. */
function readNode(node: string, bareIPv6: boolean): string | null {
  let address = node;
  if (node.startsWith('[')) {
    const close = node.indexOf(']');
    if (close < 0 || (close + 1 < node.length && !isPort(node, close + 1))) return null;
    address = node.slice(1, close);
    if (!address.includes(':')) return null;
  } else {
    const colon = node.indexOf(':');
    const isIPv6 = colon >= 0 && node.indexOf(':', colon + 1) >= 0;
    if (isIPv6 && !bareIPv6) return null;
    if (colon >= 0 && !isIPv6) {
      if (!isPort(node, colon)) return null;
      address = node.slice(0, colon);
    }
  }
  return canonicalAddress(address);
}

/** A colon and digits, or the obfuscated port of RFC 7239, 6.2. */
function isPort(node: string, at: number): boolean {
  return /^:(?:\d{1,5}|_[A-Za-z0-9._-]+)$/.test(node.slice(at));
}

/**
 * The last value of a list: what the nearest proxy said. Counting further left to meet the chosen address would let a
 * client shift the count where one proxy appends to this field and another does not.
 */
function lastItem(list: string): string {
  return list.slice(list.lastIndexOf(',') + 1).trim();
}

function readScheme(text: string): 'http' | 'https' | undefined {
  const lower = text.toLowerCase();
  if (lower === 'https' || lower === 'wss') return 'https';
  return lower === 'http' || lower === 'ws' ? 'http' : undefined;
}

function readAuthority(text: string): string | undefined {
  const lower = text.toLowerCase();
  return AUTHORITY.test(lower) ? lower : undefined;
}

interface ForwardedElement {
  for?: string;
  by?: string;
  host?: string;
  proto?: string;
}

function readForwarded(text: string, trusted: AddressSet, peerAddress: string): ClientView | null {
  const elements = parseForwarded(text);
  if (elements === null) return null;
  let chain = '';
  let nearest: ForwardedElement | undefined;
  for (let i = elements.length - 1; i >= 0; i--) {
    nearest = elements[i] as ForwardedElement;
    const node = nearest.for ?? UNKNOWN;
    const hidden = isHidden(node);
    const address = hidden ? UNKNOWN : readNode(node, false);
    if (address === null) return null;
    chain = prepend(address, chain);
    if (hidden || !trusted.contains(address)) break;
  }
  const scheme = nearest?.proto === undefined ? null : readScheme(nearest.proto);
  const host = nearest?.host === undefined ? null : readAuthority(nearest.host);
  if (scheme === undefined || host === undefined) return null;
  return { address: firstOf(chain, peerAddress), scheme, host, chain };
}

/** `unknown` or an obfuscated identifier, with or without a port (RFC 7239, 6.2 and 6.3). */
function isHidden(node: string): boolean {
  return /^(?:unknown|_[A-Za-z0-9._-]+)(?::(?:\d{1,5}|_[A-Za-z0-9._-]+))?$/i.test(node);
}

const PAIR = /[\t ]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)|"((?:[^"\\]|\\.)*)")[\t ]*/y;

/** Elements of a Forwarded field by the grammar of RFC 7239, 4; null when it does not follow it. */
export function parseForwarded(text: string): ForwardedElement[] | null {
  const elements: ForwardedElement[] = [];
  let element: ForwardedElement = {};
  let at = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === 44) {
      if (Object.keys(element).length > 0) elements.push(element);
      element = {};
      at++;
      continue;
    }
    if (code === 59 || isBlank(text, at)) {
      at++;
      continue;
    }
    PAIR.lastIndex = at;
    const match = PAIR.exec(text);
    if (match === null) return null;
    at = PAIR.lastIndex;
    if (at < text.length && text[at] !== ',' && text[at] !== ';') return null;
    const name = (match[1] ?? '').toLowerCase();
    if (name !== 'for' && name !== 'by' && name !== 'host' && name !== 'proto') continue;
    // RFC 7239, 4: a parameter occurs at most once in an element. Two could be read differently by two parties.
    if (element[name] !== undefined) return null;
    element[name] = match[2] ?? (match[3] ?? '').replace(/\\(.)/g, '$1');
  }
  if (Object.keys(element).length > 0) elements.push(element);
  return elements;
}

function isBlank(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 32 || code === 9;
}

/** Takes away what a request says about its client: none of it crosses as it came, and in no spelling. */
export function dropStatements(headers: HeaderBlock): void {
  headers.removeCovered(statementsAlike);
}

/**
 * Our statements about the client, in the forms that the upstream is to have. Of what a trusted peer said only the part
 * goes on that trusted proxies vouch for, so the first address is the client however it is read.
 *
 * @param chain `ClientView.chain`; empty for an untrusted peer
 * @param peerAddress empty when unknown, as behind a Unix socket
 */
export function clientLines(
  chain: string,
  peerAddress: string,
  scheme: 'http' | 'https',
  host: string,
  xForwarded: boolean,
  rfc7239: boolean,
): FieldLines {
  const fields: [FieldName, string][] = [];
  const peer = peerAddress === '' ? UNKNOWN : peerAddress;
  if (xForwarded) {
    fields.push([xForwardedFor, chain === '' ? peer : `${chain}, ${peer}`], [xForwardedProto, scheme]);
    if (host !== '') fields.push([xForwardedHost, host]);
    fields.push([xForwardedPort, portOf(host, scheme)]);
  }
  if (rfc7239) fields.push([forwarded, forwardedValue(chain, peer, scheme, host)]);
  return new FieldLines(fields);
}

/** `for="[2001:db8::1]";host="shop.example:8443";proto=https, for=10.0.0.1` */
export function forwardedValue(chain: string, peer: string, scheme: 'http' | 'https', host: string): string {
  // The host was validated as an authority, which has neither a quote nor a backslash.
  const authority = host === '' ? '' : `;host=${/[:[]/.test(host) ? `"${host}"` : host}`;
  const request = `${authority};proto=${scheme}`;
  if (chain === '') return `for=${forwardedNode(peer)}${request}`;
  const [client, ...proxies] = `${chain}, ${peer}`.split(', ').map(forwardedNode);
  return [`for=${client}${request}`, ...proxies.map((proxy) => `for=${proxy}`)].join(', ');
}

/** An IPv6 address is bracketed and so quoted (RFC 7239, 6). */
function forwardedNode(address: string): string {
  return address.includes(':') ? `"[${address}]"` : address;
}

/** The port in the client's URL: given, or its scheme's own. */
function portOf(host: string, scheme: 'http' | 'https'): string {
  const colon = host.lastIndexOf(':');
  if (colon >= 0 && colon + 1 < host.length && host.indexOf(']', colon) < 0) return host.slice(colon + 1);
  return scheme === 'https' ? '443' : '80';
}
