import { fieldName, type HeaderBlock } from '../../base/headers.ts';
import { listsWeakly, matchesStrongly } from './entity-tag.ts';
import { parseHttpDate } from './http-date.ts';
import type { StoredPolicy } from './policy.ts';

const etag = fieldName('etag');
const ifMatch = fieldName('if-match');
const ifModifiedSince = fieldName('if-modified-since');
const ifNoneMatch = fieldName('if-none-match');
const ifRange = fieldName('if-range');
const ifUnmodifiedSince = fieldName('if-unmodified-since');
const lastModified = fieldName('last-modified');
const range = fieldName('range');

/**
 * How a request is answered from a complete stored response. `whole`: as stored; `not-modified`: 304 with
 * `notModifiedFields`; `part`: 206; `unsatisfiable`: 416; `forward`: only the origin can decide.
 */
export interface Answer {
  readonly kind: 'whole' | 'not-modified' | 'part' | 'unsatisfiable' | 'forward';
  /** Of a part: the first byte, and that past its last one. */
  readonly start: number;
  readonly end: number;
}

const WHOLE: Answer = { kind: 'whole', start: 0, end: 0 };
const NOT_MODIFIED: Answer = { kind: 'not-modified', start: 0, end: 0 };
const UNSATISFIABLE: Answer = { kind: 'unsatisfiable', start: 0, end: 0 };
const FORWARD: Answer = { kind: 'forward', start: 0, end: 0 };

/** Reads conditions in the order of RFC 9110, 13.2.2, then Range (14.2). `length`: of the stored body. */
export function answerFromStored(
  method: string,
  request: HeaderBlock,
  stored: StoredPolicy,
  length: number,
  now: number,
): Answer {
  // RFC 9110, 13.1.1 and 13.1.4: about the origin's own state.
  if (request.has(ifMatch) || request.has(ifUnmodifiedSince)) return FORWARD;
  // RFC 9110, 13.2.1: conditions are for what would succeed without them.
  if (stored.status < 200 || stored.status > 299) return WHOLE;
  const tags = request.getAll(ifNoneMatch);
  if (tags !== undefined) {
    if (listsWeakly(tags, stored.etag)) return NOT_MODIFIED;
  } else {
    const since = request.get(ifModifiedSince);
    if (since !== undefined && !isModifiedSince(stored, since, now)) return NOT_MODIFIED;
  }
  // RFC 9110, 14.2: Range means something for GET only.
  if (stored.status !== 200 || method !== 'GET') return WHOLE;
  const ranges = request.get(range);
  if (ranges === undefined) return WHOLE;
  const condition = request.get(ifRange);
  return condition === undefined || isSameFor(condition, stored, now) ? partOf(ranges, length) : WHOLE;
}

/** RFC 9110, 13.1.3: a condition that is no date is none. */
function isModifiedSince(stored: StoredPolicy, since: string, now: number): boolean {
  const time = parseHttpDate(since, now);
  if (Number.isNaN(time)) return true;
  // RFC 9111, 4.3.2: without Last-Modified the Date stands in for it.
  return (stored.lastModifiedTime >= 0 ? stored.lastModifiedTime : stored.date) > time;
}

/** RFC 9110, 13.1.5: the comparison is a strong one, of dates as well. */
function isSameFor(condition: string, stored: StoredPolicy, now: number): boolean {
  if (condition.includes('"')) return matchesStrongly(condition, stored.etag);
  // RFC 9110, 8.8.2.2: what changed in the second in which it was sent may have changed again in it.
  const isStrong = stored.lastModifiedTime >= 0 && stored.date - stored.lastModifiedTime >= 1000;
  return isStrong && parseHttpDate(condition, now) === stored.lastModifiedTime;
}

const ONE_RANGE = /^bytes=[ \t]*(?:(\d+)-(\d*)|-(\d+))[ \t]*$/i;

/** RFC 9110, 14.1.2. Several ranges, other units and what is malformed are answered with the whole. */
function partOf(ranges: string, length: number): Answer {
  const match = ONE_RANGE.exec(ranges);
  if (match === null) return WHOLE;
  const [, first, last, suffix] = match;
  if (suffix !== undefined) {
    const count = Number(suffix);
    if (count === 0) return UNSATISFIABLE;
    return length === 0 ? WHOLE : part(Math.max(0, length - count), length);
  }
  const start = Number(first);
  const end = last === '' ? length : Number(last) + 1;
  if (end <= start && last !== '') return WHOLE;
  return start >= length ? UNSATISFIABLE : part(start, Math.min(end, length));
}

function part(start: number, end: number): Answer {
  return { kind: 'part', start, end };
}

/** Content-Range of a 206, or of a 416 (RFC 9110, 14.4). */
export function contentRange(answer: Answer, length: number): string {
  return answer.kind === 'part' ? `bytes ${answer.start}-${answer.end - 1}/${length}` : `bytes */${length}`;
}

/** What describes a representation that is not sent. */
const representationFields = [
  'accept-ranges',
  'content-digest',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-md5',
  'content-range',
  'content-type',
  'repr-digest',
  'digest',
].map(fieldName);

/** The fields of a 304 out of the stored ones: without what is about the content, which it does not have (RFC 9110, 15.4.5). */
export function notModifiedFields(stored: HeaderBlock): HeaderBlock {
  const fields = stored.clone();
  for (const name of representationFields) fields.remove(name);
  if (fields.has(etag)) fields.remove(lastModified);
  return fields;
}
