import { parseDeltaSeconds } from './delta-seconds.ts';
import { fieldNames } from './directive-list.ts';

/** Cache-Control of a response (RFC 9111, 5.2.2), or a targeted field in its place (RFC 9213). Seconds; -1: not said. */
export interface ResponseDirectives {
  maxAge: number;
  sharedMaxAge: number;
  staleWhileRevalidate: number;
  staleIfError: number;
  noStore: boolean;
  /** Without field names. */
  noCache: boolean;
  /** Without field names. */
  isPrivate: boolean;
  isPublic: boolean;
  mustRevalidate: boolean;
  proxyRevalidate: boolean;
  mustUnderstand: boolean;
  noTransform: boolean;
  /** They came by a targeted field: Expires says nothing then (RFC 9213, 2.2). */
  isTargeted: boolean;
  /** Fields named by `private=` and `no-cache=`, in lower case; empty: none. Not to be stored by a shared cache. */
  withheldFields: readonly string[];
}

export function noDirectives(): ResponseDirectives {
  return {
    maxAge: -1,
    sharedMaxAge: -1,
    staleWhileRevalidate: -1,
    staleIfError: -1,
    noStore: false,
    noCache: false,
    isPrivate: false,
    isPublic: false,
    mustRevalidate: false,
    proxyRevalidate: false,
    mustUnderstand: false,
    noTransform: false,
    isTargeted: false,
    withheldFields: [],
  };
}

/** RFC 9111, 5.2.2. False: it is not known, and says nothing (5.2.3). */
export function takeDirective(directives: ResponseDirectives, name: string, argument: string | undefined): boolean {
  switch (name) {
    case 'max-age': // 5.2.2.1
      directives.maxAge = first(directives.maxAge, lifetime(argument));
      break;
    case 's-maxage': // 5.2.2.10
      directives.sharedMaxAge = first(directives.sharedMaxAge, lifetime(argument));
      break;
    case 'stale-while-revalidate': // RFC 5861, 3
      directives.staleWhileRevalidate = first(directives.staleWhileRevalidate, lifetime(argument));
      break;
    case 'stale-if-error': // RFC 5861, 4
      directives.staleIfError = first(directives.staleIfError, lifetime(argument));
      break;
    case 'no-store': // 5.2.2.5
      directives.noStore = true;
      break;
    case 'no-cache': // 5.2.2.4
      if (!withhold(directives, argument)) directives.noCache = true;
      break;
    case 'private': // 5.2.2.7
      if (!withhold(directives, argument)) directives.isPrivate = true;
      break;
    case 'public': // 5.2.2.9
      directives.isPublic = true;
      break;
    case 'must-revalidate': // 5.2.2.2
      directives.mustRevalidate = true;
      break;
    case 'proxy-revalidate': // 5.2.2.8
      directives.proxyRevalidate = true;
      break;
    case 'must-understand': // 5.2.2.3
      directives.mustUnderstand = true;
      break;
    case 'no-transform': // 5.2.2.6
      directives.noTransform = true;
      break;
    default:
      return false;
  }
  return true;
}

/** What is no number counts as stale, which caches are encouraged to (RFC 9111, 4.2.1). */
function lifetime(argument: string | undefined): number {
  return argument === undefined ? 0 : Math.max(0, parseDeltaSeconds(argument));
}

/** Of several the first one counts (RFC 9111, 4.2.1). */
function first(present: number, another: number): number {
  return present < 0 ? another : present;
}

const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;

/** False: no fields are named, or not in a way that is sure to be understood, so that the whole response is meant. */
function withhold(directives: ResponseDirectives, argument: string | undefined): boolean {
  if (argument === undefined) return false;
  const names = fieldNames(argument);
  if (names.length === 0 || !names.every((name) => FIELD_NAME.test(name))) return false;
  directives.withheldFields = [...directives.withheldFields, ...names];
  return true;
}
