import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type SigningAlgorithm, type SigningKey, signingKeyOf } from './signing-key.ts';

/** The private keys of one algorithm, in a file that nobody else may read. */
export class KeyFile {
  readonly #path: string;
  readonly #algorithm: SigningAlgorithm;

  constructor(directory: string, algorithm: SigningAlgorithm) {
    this.#path = join(directory, `signing-keys-${algorithm}.json`);
    this.#algorithm = algorithm;
  }

  /** Empty when there is no file yet. Rejects when it cannot be read or makes no sense, without anything of it. */
  async read(): Promise<SigningKey[]> {
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw new Error(`${this.#path} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
    }
    try {
      const entries = JSON.parse(text) as { privateKey: object; createdAt: unknown; signsFrom: unknown }[];
      return entries.map(({ privateKey, createdAt, signsFrom }) =>
        signingKeyOf(this.#algorithm, privateKey, momentOf(createdAt), momentOf(signsFrom)),
      );
    } catch {
      throw new Error(`${this.#path} is damaged`);
    }
  }

  /** In one step: a reader sees the old keys or the new ones. */
  async write(keys: readonly SigningKey[]): Promise<void> {
    const entries = keys.map(({ privateKey, createdAt, signsFrom }) => ({ privateKey, createdAt, signsFrom }));
    const temporary = `${this.#path}.${process.pid}.${randomBytes(4).toString('hex')}`;
    try {
      const file = await open(temporary, 'wx', 0o600);
      try {
        await file.writeFile(`${JSON.stringify(entries)}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, this.#path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw new Error(`${this.#path} cannot be written: ${(error as NodeJS.ErrnoException).code}`);
    }
  }
}

function momentOf(written: unknown): number {
  if (typeof written !== 'number' || !Number.isSafeInteger(written)) throw new TypeError('this is no moment');
  return written;
}
