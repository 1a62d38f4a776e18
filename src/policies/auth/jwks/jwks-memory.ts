import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PublicJwk } from './jwks-feed.ts';
import { isObject, parseJwks } from './jwks-parse.ts';

export interface RememberedKeys {
  readonly keys: readonly PublicJwk[];
  /** Milliseconds since the epoch. */
  readonly obtainedAt: number;
  /** Milliseconds for which they were good then. */
  readonly lifetime: number;
}

const MAX_FILE = 512 * 1024;

/**
 * The last keys of one source in a private file, for a start while the issuer is down. Small and rare enough to be read
 * and written synchronously.
 */
export class JwksMemory {
  readonly #file: string;

  /** `source`: says where the keys come from; keys of another source are never taken for this one's. */
  constructor(directory: string, source: string) {
    const digest = createHash('sha256').update(source).digest('hex');
    this.#file = join(directory, `jwks-${digest.slice(0, 32)}.json`);
  }

  /** Null: there are none that make sense. */
  read(): RememberedKeys | null {
    try {
      if (statSync(this.#file).size > MAX_FILE) return null;
      const document: unknown = JSON.parse(readFileSync(this.#file, 'utf8'));
      if (!isObject(document)) return null;
      const { obtainedAt, lifetime } = document;
      if (!Number.isSafeInteger(obtainedAt) || !Number.isSafeInteger(lifetime)) return null;
      return { keys: parseJwks(document).keys, obtainedAt: obtainedAt as number, lifetime: lifetime as number };
    } catch {
      return null;
    }
  }

  /** Whole or not at all. Throws what the system says. */
  write(remembered: RememberedKeys): void {
    const temporary = `${this.#file}.${randomBytes(6).toString('hex')}`;
    try {
      writeFileSync(temporary, JSON.stringify(remembered), { flag: 'wx', mode: 0o600 });
      renameSync(temporary, this.#file);
    } finally {
      rmSync(temporary, { force: true });
    }
  }
}
