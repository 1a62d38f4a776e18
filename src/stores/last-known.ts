import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { hasExpired, isObject, recordOf, type StoredRecord } from './stored-record.ts';

/** Changes within so long are written together. */
const WRITE_DELAY_MS = 500;

/**
 * What a store on the network said last, in memory and in a file of the state directory: neither an outage nor a restart
 * during one brings a revoked credential back.
 */
export class LastKnown {
  readonly #path: string | null;
  readonly #problem: (message: string) => void;
  readonly #collections: Map<string, ReadonlyMap<string, StoredRecord>>;
  #writing: NodeJS.Timeout | null = null;

  /** Null: memory only. */
  constructor(path: string | null, problem: (message: string) => void) {
    this.#path = path;
    this.#problem = problem;
    this.#collections = path === null ? new Map() : this.#read(path);
  }

  get(collection: string): ReadonlyMap<string, StoredRecord> | undefined {
    return this.#collections.get(collection);
  }

  set(collection: string, records: ReadonlyMap<string, StoredRecord>): void {
    this.#collections.set(collection, records);
    if (this.#path === null || this.#writing !== null) return;
    this.#writing = setTimeout(() => this.#write(), WRITE_DELAY_MS);
    this.#writing.unref();
  }

  close(): void {
    if (this.#writing !== null) this.#write();
  }

  #read(path: string): Map<string, ReadonlyMap<string, StoredRecord>> {
    const collections = new Map<string, ReadonlyMap<string, StoredRecord>>();
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT') this.#problem(`\`${path}\` cannot be read (${message})`);
      return collections;
    }
    try {
      for (const [collection, entries] of JSON.parse(text) as [string, [string, unknown][]][]) {
        collections.set(collection, readEntries(entries));
      }
    } catch {
      this.#problem(`\`${path}\` is damaged and is ignored; it will be written anew`);
    }
    return collections;
  }

  #write(): void {
    if (this.#writing !== null) clearTimeout(this.#writing);
    this.#writing = null;
    const path = this.#path;
    if (path === null) return;
    const now = Date.now();
    const content = Array.from(this.#collections, ([collection, records]) => [
      collection,
      [...records].filter(([, record]) => !hasExpired(record, now)),
    ]);
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      // The process that takes over from this one writes it too.
      const temporary = `${path}.${process.pid}`;
      writeFileSync(temporary, JSON.stringify(content), { mode: 0o600 });
      renameSync(temporary, path);
    } catch (error) {
      this.#problem(`\`${path}\` cannot be written (${(error as Error).message})`);
    }
  }
}

function readEntries(entries: readonly [string, unknown][]): Map<string, StoredRecord> {
  const records = new Map<string, StoredRecord>();
  for (const [id, parsed] of entries) {
    const record = isObject(parsed) ? recordOf(parsed) : null;
    if (record !== null) records.set(String(id), record);
  }
  return records;
}
