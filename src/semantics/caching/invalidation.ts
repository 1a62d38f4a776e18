import { fieldName, type HeaderBlock } from '../../base/headers.ts';

const location = fieldName('location');
const contentLocation = fieldName('content-location');

/** RFC 9110, 9.2.1 */
const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

/** Not known to be safe: a response that is no error invalidates what is stored (RFC 9111, 4.4). */
export function isUnsafe(method: string): boolean {
  return !safeMethods.has(method);
}

/**
 * Targets (path and query) on the same origin whose stored responses a response to an unsafe method invalidates: its own,
 * and those in Location and Content-Location (RFC 9111, 4.4). Null: none, since it is an error.
 */
export function invalidatedTargets(
  status: number,
  scheme: string,
  authority: string,
  target: string,
  headers: HeaderBlock,
): readonly string[] | null {
  if (status < 200 || status > 399) return null;
  const targets = [target];
  const base = `${scheme}://${authority}${target}`;
  for (const name of [location, contentLocation]) {
    const reference = headers.get(name);
    if (reference === undefined) continue;
    const found = targetOnSameOrigin(reference, base);
    if (found !== null && !targets.includes(found)) targets.push(found);
  }
  return targets;
}

/** Other origins are not to be harmed (RFC 9111, 7.1). */
function targetOnSameOrigin(reference: string, base: string): string | null {
  const own = URL.parse(base);
  const url = URL.parse(reference, base);
  if (own === null || url === null || url.origin !== own.origin || url.origin === 'null') return null;
  return url.pathname + url.search;
}
