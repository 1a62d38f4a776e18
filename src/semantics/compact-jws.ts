import { decodeBase64url } from './base64url.ts';
import { isJsonObject, type JsonObject, parseStrictJson } from './strict-json.ts';

/** Characters of a token. Those of real issuers have one or two thousand; what is longer costs more than it can mean. */
export const MAX_TOKEN = 16 * 1024;
/** Nested objects and lists of a header or of claims. Real ones have five. */
const MAX_DEPTH = 16;

/** A token in its compact form (RFC 7515, 7.1), taken apart; nothing of it is verified. */
export interface CompactJws {
  readonly algorithm: string;
  readonly kid: string | null;
  readonly type: string | null;
  readonly payload: Buffer;
  /** What the signature is about. */
  readonly input: Buffer;
  readonly signature: Buffer;
}

/**
 * Null: it is none, or one that asks for what is not supported. Of a header, nothing but algorithm, key id and type is
 * read: keys that a token brings along or points to (`jwk`, `jku`, `x5c`, `x5u`) prove nothing.
 */
export function parseCompactJws(token: string): CompactJws | null {
  if (token.length > MAX_TOKEN) return null;
  const headerEnd = token.indexOf('.');
  const payloadEnd = token.indexOf('.', headerEnd + 1);
  if (headerEnd <= 0 || payloadEnd < 0) return null;
  const header = jsonOf(decodeBase64url(token.slice(0, headerEnd)));
  if (header === null) return null;
  const { alg, kid = null, typ = null, b64 = true } = header;
  if (typeof alg !== 'string') return null;
  if (kid !== null && typeof kid !== 'string') return null;
  if (typ !== null && typeof typ !== 'string') return null;
  // RFC 7515, 4.1.11: extensions that have to be understood, and none is. RFC 7797 is one of them, named or not.
  if (Object.hasOwn(header, 'crit') || b64 !== true) return null;
  const payload = decodeBase64url(token.slice(headerEnd + 1, payloadEnd));
  // A third dot is no digit, so that five parts (encryption, RFC 7516) end here.
  const signature = decodeBase64url(token.slice(payloadEnd + 1));
  if (payload === null || signature === null) return null;
  return {
    algorithm: alg,
    kid,
    type: typ,
    payload,
    input: Buffer.from(token.slice(0, payloadEnd), 'latin1'),
    signature,
  };
}

/** RFC 7519, 7.2: the payload of a JWT is one JSON object. Null: it is not. */
export function parseClaims(payload: Buffer): JsonObject | null {
  return jsonOf(payload);
}

function jsonOf(bytes: Buffer | null): JsonObject | null {
  if (bytes === null) return null;
  const value = parseStrictJson(bytes, MAX_DEPTH);
  return isJsonObject(value) ? value : null;
}
