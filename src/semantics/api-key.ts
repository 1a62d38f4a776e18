import { hash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Parsed } from '../base/units.ts';

/**
 * API keys as we make them: `slk_<id>_<secret><checksum>`. The prefix lets scanners of repositories and logs recognise a
 * leaked key, the id names it in lists and in `sluice keys revoke` without giving it away, and the checksum tells a
 * mistyped key from an unknown one before anything is looked up. Letters and digits only: one double click selects it.
 */
const PREFIX = 'slk';
const LETTERS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** Without letters that are read as another one: ids are read aloud. */
const ID_LETTERS = '0123456789abcdefghjkmnpqrstvwxyz';
const ID_LENGTH = 10;
/** log2(62^30) = 178 bits. */
const SECRET_LENGTH = 30;
/** 62^6 > 2^32. */
const CHECKSUM_LENGTH = 6;
const SHAPE = new RegExp(`^${PREFIX}_([${ID_LETTERS}]{${ID_LENGTH}})_[0-9A-Za-z]{${SECRET_LENGTH + CHECKSUM_LENGTH}}$`);
const ID_SHAPE = new RegExp(`^${PREFIX}_([${ID_LETTERS}]{${ID_LENGTH}})(?:_[0-9A-Za-z]*)?$`);

/** Whoever has made keys elsewhere may go on with them; what is longer or has other characters is no key at all. */
const MAX_LENGTH = 512;
const PRESENTABLE = /^[!-~]+$/;
/** A digest is no protection for what can be guessed: below this, all keys that somebody would choose can be tried. */
const MIN_LENGTH = 16;

const DIGEST_PREFIX = 'sha256:';
const DIGEST_SHAPE = /^[0-9a-f]{64}$/i;

export interface MadeKey {
  readonly id: string;
  /** The key itself, to be shown once and then forgotten. */
  readonly key: string;
}

export function makeKey(): MadeKey {
  const id = randomText(ID_LETTERS, ID_LENGTH);
  const stem = `${PREFIX}_${id}_${randomText(LETTERS, SECRET_LENGTH)}`;
  return { id, key: stem + checksum(stem) };
}

/** What of a key may be shown: enough to recognise it, nothing of its secret. */
export function visiblePart(id: string): string {
  return `${PREFIX}_${id}`;
}

/** The id in a key or in the visible part of one; null when it is neither. */
export function keyId(text: string): string | null {
  return ID_SHAPE.exec(text)?.[1] ?? null;
}

/** `foreign`: not made here. `malformed`: meant to be one of ours, but mistyped, cut off or made up. */
export type KeyOrigin = { readonly id: string } | 'foreign' | 'malformed';

export function originOf(key: string): KeyOrigin {
  if (!key.startsWith(`${PREFIX}_`)) return 'foreign';
  const id = SHAPE.exec(key)?.[1];
  if (id === undefined) return 'malformed';
  const stem = key.slice(0, -CHECKSUM_LENGTH);
  return checksum(stem) === key.slice(-CHECKSUM_LENGTH) ? { id } : 'malformed';
}

/** False for what nobody could have been given as a key: it needs no looking up. */
export function isPresentable(key: string): boolean {
  return key.length <= MAX_LENGTH && PRESENTABLE.test(key);
}

/** SHA-256 in hexadecimal. A key has far too many bits for trying them all, so a slow hash would protect nothing. */
export function keyDigest(key: string): string {
  return hash('sha256', key, 'hex');
}

/** A key as configurations and imports write it, in clear or as `sha256:…` → its digest. Messages never repeat it. */
export function parseKey(written: string): Parsed<string> {
  if (written.startsWith(DIGEST_PREFIX)) {
    const digest = written.slice(DIGEST_PREFIX.length);
    if (DIGEST_SHAPE.test(digest)) return { ok: true, value: digest.toLowerCase() };
    const remedy = 'Write `sha256:` and 64 hexadecimal digits: `printf %s "$KEY" | sha256sum` prints them.';
    return { ok: false, message: 'this is not a SHA-256 digest', remedy };
  }
  if (!isPresentable(written)) {
    const remedy = `Use up to ${MAX_LENGTH} visible ASCII characters without spaces.`;
    return { ok: false, message: 'this cannot be a key: no client could send it', remedy };
  }
  if (written.length < MIN_LENGTH) {
    const remedy = `Use at least ${MIN_LENGTH} characters; \`sluice keys create\` makes good ones.`;
    return { ok: false, message: 'this key is too short: it can be guessed', remedy };
  }
  if (originOf(written) === 'malformed') {
    const remedy = 'Copy it again: it has been cut off or mistyped.';
    return { ok: false, message: 'this key does not match its own checksum', remedy };
  }
  return { ok: true, value: keyDigest(written) };
}

function checksum(stem: string): string {
  let rest = crc32(stem);
  let text = '';
  for (let i = 0; i < CHECKSUM_LENGTH; i++) {
    text = LETTERS.charAt(rest % LETTERS.length) + text;
    rest = Math.floor(rest / LETTERS.length);
  }
  return text;
}

/** Bytes past the last whole multiple are thrown away, so that every letter is as likely as any other. */
function randomText(letters: string, length: number): string {
  const bound = 256 - (256 % letters.length);
  let text = '';
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      if (byte < bound && text.length < length) text += letters.charAt(byte % letters.length);
    }
  }
  return text;
}
