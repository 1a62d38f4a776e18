/** What Node says of a certificate's subjectAltName (`X509Certificate.subjectAltName`), by kinds that name a client. */
export interface AlternativeNames {
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly emails: readonly string[];
}

const none: readonly string[] = Object.freeze([]);
export const noAlternativeNames: AlternativeNames = { uris: none, dnsNames: none, emails: none };

/** A kind, then a JSON string where the value needs quoting, or plain text without a comma. */
const ENTRY = /([A-Za-z][A-Za-z ]*):(?:("(?:[^"\\]|\\.)*")|([^",]*))(?:, |$)/y;

/**
 * Null when it is not what Node writes: then nothing in it can be relied on. A value with a comma or quote in it is quoted,
 * so that it cannot pass for further entries.
 */
export function parseAlternativeNames(text: string): AlternativeNames | null {
  const uris: string[] = [];
  const dnsNames: string[] = [];
  const emails: string[] = [];
  ENTRY.lastIndex = 0;
  while (ENTRY.lastIndex < text.length) {
    const match = ENTRY.exec(text);
    if (match === null) return null;
    const [, kind, quoted, plain = ''] = match;
    const value = quoted === undefined ? plain : unquote(quoted);
    if (value === null) return null;
    if (kind === 'URI') uris.push(value);
    else if (kind === 'DNS') dnsNames.push(value);
    else if (kind === 'email') emails.push(value);
  }
  return { uris, dnsNames, emails };
}

function unquote(text: string): string | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'string' ? value : null;
  } catch {
    return null;
  }
}
