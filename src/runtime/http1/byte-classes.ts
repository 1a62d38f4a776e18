/** The bytes that HTTP/1.1 is written with, and the classes that they belong to. */
export const octet = { CR: 13, LF: 10, SP: 32, TAB: 9, COLON: 58 } as const;

/** Bits of `byteClasses`. */
export const byteClass = { TOKEN: 1, VALUE: 2, TARGET: 4, HOST: 8, ADDRESS: 16 } as const;

/**
 * By byte: tchar (RFC 9110, 5.6.2), field-value bytes (5.5), visible ASCII for targets, host names, and IPv6
 * addresses. RFC 3986 lets a name have escapes and sub-delimiters too; no service has them, and `a;for=b` in a Host
 * would write into what Forwarded says.
 */
export const byteClasses = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  const character = String.fromCharCode(byte);
  let bits = 0;
  if (/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(character)) bits |= byteClass.TOKEN;
  if (byte === octet.TAB || (byte >= octet.SP && byte !== 127)) bits |= byteClass.VALUE;
  if (byte > octet.SP && byte < 127) bits |= byteClass.TARGET;
  if (/[0-9A-Za-z\-._~]/.test(character)) bits |= byteClass.HOST;
  if (/[0-9A-Fa-f:.]/.test(character)) bits |= byteClass.ADDRESS;
  byteClasses[byte] = bits;
}

/** NaN for what is not a digit. */
export function digit(bytes: Buffer, p: number): number {
  const value = (bytes[p] as number) - 48;
  return value >= 0 && value <= 9 ? value : Number.NaN;
}
