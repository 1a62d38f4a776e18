/**
 * Base64url (RFC 4648, 5) as RFC 7515, 2 has it: without padding, white space or bits that mean nothing, so that no two
 * texts are the same bytes. Node's own decoder takes all of those.
 */
const ALPHABET = /^[A-Za-z0-9_-]*$/;
/** The last digits whose bits past the last whole byte are zero. */
const LAST_OF_TWO = 'AQgw';
const LAST_OF_THREE = 'AEIMQUYcgkosw048';

export function decodeBase64url(text: string): Buffer | null {
  if (!ALPHABET.test(text)) return null;
  const last = text.charAt(text.length - 1);
  switch (text.length & 3) {
    case 1:
      return null;
    case 2:
      if (!LAST_OF_TWO.includes(last)) return null;
      break;
    case 3:
      if (!LAST_OF_THREE.includes(last)) return null;
      break;
  }
  return Buffer.from(text, 'base64url');
}
