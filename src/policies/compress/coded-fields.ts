import { fieldName, type HeaderBlock } from '../../base/headers.ts';
import { type ContentCoding, weakened } from '../../semantics/content-coding.ts';

export const acceptEncoding = fieldName('accept-encoding');
export const contentEncoding = fieldName('content-encoding');
export const contentLength = fieldName('content-length');
const etag = fieldName('etag');
const ifNoneMatch = fieldName('if-none-match');
const vary = fieldName('vary');

/**
 * What is true of the bytes of one representation alone: positions in it (RFC 9110, 14.3), and digests, which all count
 * the content coding in (RFC 9530, 2 and 3; RFC 3230; RFC 1864).
 */
const ofOneCoding = [
  contentLength,
  fieldName('accept-ranges'),
  fieldName('content-digest'),
  fieldName('repr-digest'),
  fieldName('digest'),
  fieldName('content-md5'),
];

/** The fields of a response whose coding becomes this one. */
export function recode(headers: HeaderBlock, coding: ContentCoding | null): void {
  if (coding === null) headers.remove(contentEncoding);
  else headers.set(contentEncoding, coding);
  removeOfOneCoding(headers);
  const tag = headers.get(etag);
  if (tag?.startsWith('"') === true) headers.set(etag, weakened(tag));
}

/** Digests may also come behind the body (RFC 9530, 2). A copy: the parser that they live in may read on meanwhile. */
export function recodedTrailers(trailers: HeaderBlock): HeaderBlock {
  const copy = trailers.clone();
  removeOfOneCoding(copy);
  return copy;
}

function removeOfOneCoding(fields: HeaderBlock): void {
  for (let i = 0; i < ofOneCoding.length; i++) fields.remove(ofOneCoding[i] as (typeof ofOneCoding)[number]);
}

const VARIES = /(?:^|[,\s])(?:accept-encoding|\*)(?:[,\s]|$)/i;

/** RFC 9110, 12.5.5: the response would be another one for other values. */
export function varyByEncoding(headers: HeaderBlock): void {
  const varies = headers.getAll(vary);
  if (varies === undefined || !VARIES.test(varies)) headers.add(vary, 'Accept-Encoding');
}

/**
 * The entity tag of a 304 as the client knows it: the service compares weakly, tells its own strong one, and a client
 * that has the weak one of an encoded response would find nothing to go with it (RFC 9111, 4.3.4).
 */
export function weakenAsAsked(response: HeaderBlock, request: HeaderBlock): void {
  const tag = response.get(etag);
  if (tag?.startsWith('"') !== true) return;
  const weak = weakened(tag);
  if (request.getAll(ifNoneMatch)?.includes(weak) === true) response.set(etag, weak);
}
