/**
 * Distinguished names as Node writes them (`X509Certificate.subject`): one relative name a line, as the certificate has
 * them, values escaped after RFC 4514, 2.4.
 */

/** On one line, the most specific part first (RFC 4514, 2.1). */
export function distinguishedName(lines: string): string {
  return lines.split('\n').reverse().join(',');
}

/** The common name, unescaped; null when there is none, or more than one. */
export function commonName(lines: string): string | null {
  // A relative name of several parts has ` + ` between them; a plus sign in a value is escaped.
  const found = lines.split(/\n| \+ /).filter((part) => part.startsWith('CN='));
  return found.length === 1 ? withoutEscapes((found[0] as string).slice(3)) : null;
}

const ESCAPE = /\\(?:([0-9A-Fa-f]{2})|(.))/gs;

function withoutEscapes(value: string): string {
  return value.replace(ESCAPE, (_all, byte: string | undefined, character: string | undefined) =>
    byte === undefined ? (character ?? '') : String.fromCharCode(Number.parseInt(byte, 16)),
  );
}
