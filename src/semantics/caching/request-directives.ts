import { fieldName, type HeaderBlock } from '../../base/headers.ts';
import { parseDeltaSeconds } from './delta-seconds.ts';
import { forEachDirective } from './directive-list.ts';

const cacheControl = fieldName('cache-control');
const pragma = fieldName('pragma');

/** What the client wants of caches (RFC 9111, 5.2.1). Seconds; -1: not said. */
export interface RequestDirectives {
  maxAge: number;
  minFresh: number;
  /** `Infinity`: however stale. */
  maxStale: number;
  /** RFC 5861, 4. */
  staleIfError: number;
  noCache: boolean;
  noStore: boolean;
  onlyIfCached: boolean;
}

/** Null: it wants nothing, as nearly all. */
export function requestDirectives(headers: HeaderBlock): RequestDirectives | null {
  const text = headers.getAll(cacheControl);
  if (text !== undefined) {
    const directives = nothing();
    forEachDirective(text, directives, take);
    return directives;
  }
  // RFC 9111, 5.4: deprecated, and still what old clients send. It has no say beside Cache-Control.
  const old = headers.getAll(pragma);
  if (old === undefined) return null;
  const directives = nothing();
  forEachDirective(old, directives, takePragma);
  return directives.noCache ? directives : null;
}

function nothing(): RequestDirectives {
  return {
    maxAge: -1,
    minFresh: -1,
    maxStale: -1,
    staleIfError: -1,
    noCache: false,
    noStore: false,
    onlyIfCached: false,
  };
}

function take(directives: RequestDirectives, name: string, argument: string | undefined): void {
  switch (name) {
    case 'max-age': // RFC 9111, 5.2.1.1. What is no number asks for the freshest.
      directives.maxAge = first(directives.maxAge, Math.max(0, parseDeltaSeconds(argument ?? '')));
      break;
    case 'max-stale': {
      // RFC 9111, 5.2.1.2. What is no number accepts nothing stale.
      const seconds = argument === undefined ? Number.POSITIVE_INFINITY : parseDeltaSeconds(argument);
      directives.maxStale = first(directives.maxStale, seconds);
      break;
    }
    case 'min-fresh': // RFC 9111, 5.2.1.3
      directives.minFresh = first(directives.minFresh, parseDeltaSeconds(argument ?? ''));
      break;
    case 'stale-if-error': // RFC 5861, 4
      directives.staleIfError = first(directives.staleIfError, parseDeltaSeconds(argument ?? ''));
      break;
    case 'no-cache': // RFC 9111, 5.2.1.4
      directives.noCache = true;
      break;
    case 'no-store': // RFC 9111, 5.2.1.5
      directives.noStore = true;
      break;
    case 'only-if-cached': // RFC 9111, 5.2.1.7
      directives.onlyIfCached = true;
      break;
  }
}

function takePragma(directives: RequestDirectives, name: string): void {
  if (name === 'no-cache') directives.noCache = true;
}

/** Of several the first one counts (RFC 9111, 4.2.1). */
function first(present: number, another: number): number {
  return present < 0 ? another : present;
}
