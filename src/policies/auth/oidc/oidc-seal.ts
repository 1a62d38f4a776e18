import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const OVERHEAD = 1 + NONCE_BYTES + TAG_BYTES;
const BASE64URL = /^[A-Za-z0-9_-]+$/;

export interface Opened {
  readonly text: string;
  /** Sealed with an earlier secret: it had better be sealed anew. */
  readonly isOld: boolean;
}

/**
 * Text that only this gateway can read, and that nobody can change (AES-256-GCM). Each purpose has keys of its own
 * (RFC 5869), so that what was sealed for one is nothing for another. Of the secrets the first seals, and all open.
 */
export class Seal {
  readonly #keys: readonly Buffer[];

  /** `purpose`: what these texts are for, and for whom. */
  constructor(secrets: readonly string[], purpose: readonly string[]) {
    const info = JSON.stringify(['sluice oidc', ...purpose]);
    this.#keys = secrets.map((secret) => Buffer.from(hkdfSync('sha256', secret, '', info, 32)));
  }

  seal(text: string): string {
    const [key] = this.#keys;
    if (key === undefined) throw new Error('there is no secret to seal with');
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    const head = Buffer.concat([Buffer.of(VERSION), nonce]);
    cipher.setAAD(head);
    const body = [cipher.update(text, 'utf8'), cipher.final()];
    return Buffer.concat([head, ...body, cipher.getAuthTag()]).toString('base64url');
  }

  /** Null: it was not sealed here for this, or was changed. */
  open(sealed: string): Opened | null {
    // The decoder takes what is no base64url for nothing: one text has one spelling.
    if (!BASE64URL.test(sealed)) return null;
    const bytes = Buffer.from(sealed, 'base64url');
    if (bytes.length < OVERHEAD || bytes[0] !== VERSION) return null;
    for (let i = 0; i < this.#keys.length; i++) {
      const text = openWith(this.#keys[i] as Buffer, bytes);
      if (text !== null) return { text, isOld: i > 0 };
    }
    return null;
  }
}

function openWith(key: Buffer, bytes: Buffer): string | null {
  const head = bytes.subarray(0, 1 + NONCE_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, head.subarray(1), { authTagLength: TAG_BYTES });
  decipher.setAAD(head);
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    const text = decipher.update(bytes.subarray(head.length, -TAG_BYTES), undefined, 'utf8');
    return text + decipher.final('utf8');
  } catch {
    return null;
  }
}
