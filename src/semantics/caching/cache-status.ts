/** Why the request went on (RFC 9211, 2.2). */
export type ForwardReason = 'bypass' | 'method' | 'uri-miss' | 'vary-miss' | 'miss' | 'request' | 'stale' | 'partial';

/** What this cache did for a request (RFC 9211, 2). */
export interface CacheOutcome {
  isHit: boolean;
  /** Null: it did not go on. */
  forward: ForwardReason | null;
  /** Status of what it got by going on; 0: nothing, or the same as that of the response. */
  forwardStatus: number;
  isStored: boolean;
  isCollapsed: boolean;
  /** Seconds for which it is fresh, negative when stale; NaN: not said. */
  ttl: number;
  /** Empty: not said. */
  key: string;
  /** A token or a few words; empty: not said. */
  detail: string;
}

const TOKEN = /^[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*$/;

/** A member of the Cache-Status list (RFC 9211); `name`: what this cache calls itself. */
export function cacheStatusMember(name: string, outcome: CacheOutcome): string {
  let member = tokenOrString(name);
  // RFC 9211, 2.1 and 2.2: one excludes the other.
  if (outcome.isHit) member += '; hit';
  else if (outcome.forward !== null) member += `; fwd=${outcome.forward}`;
  if (outcome.forwardStatus !== 0) member += `; fwd-status=${outcome.forwardStatus}`;
  if (!Number.isNaN(outcome.ttl)) member += `; ttl=${Math.trunc(outcome.ttl)}`;
  if (outcome.isStored) member += '; stored';
  if (outcome.isCollapsed) member += '; collapsed';
  if (outcome.key !== '') member += `; key=${quoted(outcome.key)}`;
  if (outcome.detail !== '') member += `; detail=${tokenOrString(outcome.detail)}`;
  return member;
}

/** Cache-Status with a member of this cache after those of caches nearer to the origin (RFC 9211, 2). */
export function withMember(received: string | undefined, member: string): string {
  return received === undefined || received === '' ? member : `${received}, ${member}`;
}

function tokenOrString(text: string): string {
  return TOKEN.test(text) ? text : quoted(text);
}

/** RFC 9651, 4.1.6: a string has printable ASCII only. */
function quoted(text: string): string {
  return `"${text.replace(/[^ -~]/g, '?').replace(/["\\]/g, '\\$&')}"`;
}
