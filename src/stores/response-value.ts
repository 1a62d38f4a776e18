import { crc32 } from 'node:zlib';
import type { SharedResponse } from '../plan/shared-responses.ts';

/**
 * A stored response as several machines share it: what it is, what purges know it by, lengths and a checksum, then the
 * bytes. Whatever is not exactly that was written by another version, or cut off on its way, and is no response.
 */
const LAYOUT = 0x534c5231;
const AT = { layout: 0, described: 4, meta: 8, body: 12, checksum: 16, bytes: 20 } as const;

interface Described {
  readonly key: string;
  readonly tags: readonly string[];
  readonly since: string;
}

export function encodeShared({ purgeKey, tags, since, meta, body }: SharedResponse): Buffer {
  const described = Buffer.from(JSON.stringify({ key: purgeKey, tags, since } satisfies Described));
  const bytes = Buffer.allocUnsafe(AT.bytes + described.length + meta.length + body.length);
  bytes.writeUInt32BE(LAYOUT, AT.layout);
  bytes.writeUInt32BE(described.length, AT.described);
  bytes.writeUInt32BE(meta.length, AT.meta);
  bytes.writeUInt32BE(body.length, AT.body);
  let at: number = AT.bytes;
  for (const part of [described, meta, body]) at += part.copy(bytes, at);
  bytes.writeUInt32BE(crc32(bytes.subarray(AT.bytes)), AT.checksum);
  return bytes;
}

/** Null: this is none. */
export function decodeShared(bytes: Buffer): SharedResponse | null {
  if (bytes.length < AT.bytes || bytes.readUInt32BE(AT.layout) !== LAYOUT) return null;
  const describedEnd = AT.bytes + bytes.readUInt32BE(AT.described);
  const metaEnd = describedEnd + bytes.readUInt32BE(AT.meta);
  const end = metaEnd + bytes.readUInt32BE(AT.body);
  if (end !== bytes.length || crc32(bytes.subarray(AT.bytes)) !== bytes.readUInt32BE(AT.checksum)) return null;
  const described = readDescribed(bytes.toString('utf8', AT.bytes, describedEnd));
  if (described === null) return null;
  const { key: purgeKey, tags, since } = described;
  return { purgeKey, tags, since, meta: bytes.subarray(describedEnd, metaEnd), body: bytes.subarray(metaEnd) };
}

function readDescribed(text: string): Described | null {
  try {
    const { key, tags, since } = JSON.parse(text);
    if (typeof key !== 'string' || typeof since !== 'string' || !Array.isArray(tags)) return null;
    return tags.every((tag) => typeof tag === 'string') ? { key, tags, since } : null;
  } catch {
    return null;
  }
}
