import { isIP } from 'node:net';

/**
 * Keeps web pages out: a page of `evil.example` whose name was rebound to this address would send that name in `Host`,
 * while an address cannot be rebound. So addresses, this machine's own names and configured names pass, nothing else.
 */
export function acceptsHost(host: string | undefined, configured: readonly string[]): boolean {
  if (host === undefined) return false;
  const name = nameOf(host);
  if (name === null) return false;
  if (isIP(name) !== 0 || name === 'localhost' || name.endsWith('.localhost')) return true;
  return configured.some((each) => each.toLowerCase() === name);
}

/** Without port and brackets, in lower case; null when it is nothing like a host. */
function nameOf(host: string): string | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(host);
  return match === null ? null : (match[1] ?? match[2] ?? '').toLowerCase();
}
