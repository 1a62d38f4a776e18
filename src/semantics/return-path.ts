const LONGEST = 2048;
/** Visible ASCII without the backslash, which browsers read as a slash, and without what opens a fragment or ends markup. */
const SAFE = /^\/[!$-;=?-[\]_a-z|~]*$/;
const BASE = 'https://host.invalid';

/**
 * Where a login may lead back to: a path (and query) of the very host that was asked. Null for everything else, since an
 * address that somebody else made up would turn the login into an open redirect.
 */
export function safeReturnPath(text: string): string | null {
  if (text.length > LONGEST || text.startsWith('//') || !SAFE.test(text)) return null;
  // Two slashes begin a host, also once dot segments before them are gone (RFC 3986, 4.2 and 5.2.4).
  const url = URL.parse(text, BASE);
  return url === null || url.origin !== BASE || url.pathname.startsWith('//') ? null : text;
}
