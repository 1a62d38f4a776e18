import { Buffer } from 'node:buffer';

/** The credentials of the Basic scheme (RFC 7617). */
export interface BasicCredentials {
  readonly user: string;
  readonly password: string;
}

const CANONICAL = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** RFC 7617, 2: neither the user-id nor the password has one. */
const CONTROL = /[\0-\x1f\x7f-\x9f]/;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads the base64 part; null when it is not canonical base64 of UTF-8 `user:password`. Both come out in normalisation
 * form C, which `charset="UTF-8"` asks of clients (RFC 7617, 2.1) and not all of them do.
 */
export function parseBasicCredentials(encoded: string): BasicCredentials | null {
  if (encoded === '' || !CANONICAL.test(encoded)) return null;
  const bytes = Buffer.from(encoded, 'base64');
  // Bits behind the last byte: another spelling of the same credentials.
  if (bytes.toString('base64') !== encoded) return null;
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return null;
  }
  const colon = text.indexOf(':');
  if (colon < 0 || CONTROL.test(text)) return null;
  return { user: text.slice(0, colon).normalize('NFC'), password: text.slice(colon + 1).normalize('NFC') };
}

/** Whether a user-id can be sent at all. */
export function isBasicUser(user: string): boolean {
  return user !== '' && !user.includes(':') && !CONTROL.test(user);
}

/** Lines `user:hash` as `htpasswd` writes them; `#` begins a comment. Null stands for a line that is neither. */
export function parseHtpasswd(text: string): (readonly [user: string, hash: string] | null)[] {
  const entries: (readonly [string, string] | null)[] = [];
  for (const line of text.split(/\r?\n/)) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const colon = trimmed.indexOf(':');
    const user = trimmed.slice(0, colon);
    // Some tools write further fields (`user:hash:comment`); a hash has no colon.
    entries.push(colon > 0 && isBasicUser(user) ? [user.normalize('NFC'), trimmed.slice(colon + 1)] : null);
  }
  return entries;
}
