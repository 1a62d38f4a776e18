import { fieldName, type HeaderBlock } from '../../base/headers.ts';
import { isEntityTag, isWeakTag, matchesStrongly, matchesWeakly } from './entity-tag.ts';
import { formatHttpDate } from './http-date.ts';
import type { StoredPolicy } from './policy.ts';

const contentLength = fieldName('content-length');
const dateField = fieldName('date');
const etag = fieldName('etag');
const ifModifiedSince = fieldName('if-modified-since');
const ifNoneMatch = fieldName('if-none-match');
const ifRange = fieldName('if-range');
const lastModified = fieldName('last-modified');
const range = fieldName('range');

/** Whether there is anything to validate a stored response with. */
export function hasValidator(stored: StoredPolicy): boolean {
  return stored.etag !== '' || stored.lastModified !== '';
}

/**
 * Makes a request that validates the stored response (RFC 9111, 4.3.1): its validators take the place of the client's
 * conditions, which are answered from what comes out of it. Range and If-Range go too: the whole response is wanted.
 */
export function makeConditional(request: HeaderBlock, stored: StoredPolicy): void {
  makeUnconditional(request);
  if (stored.etag !== '') request.add(ifNoneMatch, stored.etag);
  // Beside the entity tag too, for what knows nothing of those (RFC 9111, 4.3.1).
  if (stored.lastModified !== '') request.add(ifModifiedSince, stored.lastModified);
}

/**
 * A request for the whole response whatever the client has, for a miss that is to be stored. If-Match and
 * If-Unmodified-Since stay: only the origin can answer them.
 */
export function makeUnconditional(request: HeaderBlock): void {
  request.remove(ifNoneMatch);
  request.remove(ifModifiedSince);
  request.remove(range);
  request.remove(ifRange);
}

/**
 * Whether a 304 to a request of `makeConditional` is about this stored response (RFC 9111, 4.3.4). False: the origin
 * speaks of another one, which has to be asked for without conditions.
 */
export function isFreshenedBy(stored: StoredPolicy, notModified: HeaderBlock): boolean {
  const tag = notModified.get(etag);
  if (tag !== undefined && isEntityTag(tag)) {
    // A strong one selects by itself. A weak one, as of servers that compress on their way, is good enough for one response.
    return isWeakTag(tag) ? matchesWeakly(tag, stored.etag) : matchesStrongly(tag, stored.etag);
  }
  const modified = notModified.get(lastModified);
  return modified === undefined || stored.lastModified === '' || modified === stored.lastModified;
}

/**
 * What the response to a HEAD says about a stored response to GET (RFC 9111, 4.3.5): `freshens`: its fields are updated;
 * `invalidates`: it has changed; `nothing`: it was no 200.
 */
export function headSays(
  stored: StoredPolicy,
  status: number,
  head: HeaderBlock,
  storedLength: number,
): 'freshens' | 'invalidates' | 'nothing' {
  if (status !== 200 || stored.status !== 200) return 'nothing';
  const tag = head.get(etag);
  const modified = head.get(lastModified);
  const length = head.get(contentLength);
  const isSame =
    (tag === undefined || tag === stored.etag) &&
    (modified === undefined || modified === stored.lastModified) &&
    (length === undefined || length === String(storedLength));
  return isSame ? 'freshens' : 'invalidates';
}

/**
 * Not updated (RFC 9111, 3.2): what describes the stored bytes, of which none came now. An entity tag that selected the
 * response is the same, or a weaker one.
 */
const keptFields: ReadonlySet<string> = new Set([
  'content-length',
  'content-encoding',
  'content-range',
  'content-md5',
  'content-digest',
  'transfer-encoding',
  'trailer',
]);

/**
 * Fields of a stored response after a 304 or HEAD that freshens it: the new ones take their place (RFC 9111, 3.2).
 * `responseTime`: when it came, for one without a Date.
 */
export function mergedFields(stored: HeaderBlock, received: HeaderBlock, responseTime: number): HeaderBlock {
  const merged = stored.clone();
  const replaced = new Set<string>();
  received.forEach((name, value) => {
    if (keptFields.has(name)) return;
    const field = fieldName(name);
    if (name === etag.lower && stored.has(etag)) return;
    // Several lines of a name come as several.
    if (!replaced.has(name)) {
      replaced.add(name);
      merged.remove(field);
    }
    merged.add(field, value);
  });
  if (!received.has(dateField)) merged.set(dateField, formatHttpDate(responseTime));
  return merged;
}
