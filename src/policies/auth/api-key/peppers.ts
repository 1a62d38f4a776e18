import { createHash, createSecretKey, randomBytes } from 'node:crypto';
import { link, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Records, RecordsError, type RecordValue } from '../../../plan/records.ts';
import type { Pepper } from './key-record.ts';

const PEPPER_BYTES = 32;
const TEXT_SHAPE = /^[A-Za-z0-9_-]{43}$/;
const FILE = 'key-pepper';
const COLLECTION = 'peppers';

/**
 * Where the peppers are kept. Usually there is one: a file beside the embedded store, never inside it. Machines that
 * share a store share the peppers through it; two that start at once may each make one, and then both are good for ever,
 * because every hash names its own.
 */
export interface Peppers {
  /** All there are, as text; none before the first key. Rejects with `RecordsError`. */
  list(): Promise<readonly string[]>;
  /** The one for new keys, made if need be. */
  obtain(): Promise<Pepper>;
}

export function peppersOf(records: Records, stateDirectory: string | null): Peppers {
  const isShared = records.state.kind === 'redis';
  return stateDirectory === null || isShared ? new StoredPeppers(records) : new PepperFile(join(stateDirectory, FILE));
}

export function readPepper(text: string): Pepper {
  const secret = Buffer.from(text, 'base64url');
  const id = createHash('sha256').update('pepper ').update(secret).digest('hex').slice(0, 8);
  return { id, secret: createSecretKey(secret) };
}

class PepperFile implements Peppers {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async list(): Promise<readonly string[]> {
    const text = await this.#read();
    return text === null ? [] : [text];
  }

  async obtain(): Promise<Pepper> {
    const text = (await this.#read()) ?? (await this.#make());
    return readPepper(text);
  }

  async #read(): Promise<string | null> {
    let text: string;
    try {
      text = (await readFile(this.#path, 'utf8')).trim();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw new RecordsError(`the pepper of API keys cannot be read: ${(error as Error).message}`);
    }
    if (TEXT_SHAPE.test(text)) return text;
    throw new RecordsError(`the pepper of API keys in ${this.#path} is damaged: restore it, or no stored key is good`);
  }

  /** A link fails where there is a file already: of two processes that start at once, both get the same. */
  async #make(): Promise<string> {
    const text = randomBytes(PEPPER_BYTES).toString('base64url');
    const temporary = `${this.#path}.${process.pid}.${randomBytes(4).toString('hex')}`;
    try {
      const file = await open(temporary, 'wx', 0o600);
      try {
        await file.writeFile(`${text}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await link(temporary, this.#path);
      return text;
    } catch (error) {
      const other = await this.#read();
      if (other !== null) return other;
      throw new RecordsError(`the pepper of API keys cannot be kept: ${(error as Error).message}`);
    } finally {
      await rm(temporary, { force: true });
    }
  }
}

class StoredPeppers implements Peppers {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  async list(): Promise<readonly string[]> {
    const stored = await this.#records.list(COLLECTION);
    return [...stored.values()].flatMap(pepperText).sort();
  }

  async obtain(): Promise<Pepper> {
    const [known] = await this.list();
    if (known !== undefined) return readPepper(known);
    const text = randomBytes(PEPPER_BYTES).toString('base64url');
    const made = readPepper(text);
    await this.#records.put(COLLECTION, made.id, { pepper: text }, null);
    return made;
  }
}

function pepperText({ pepper }: RecordValue): string[] {
  return typeof pepper === 'string' && TEXT_SHAPE.test(pepper) ? [pepper] : [];
}
