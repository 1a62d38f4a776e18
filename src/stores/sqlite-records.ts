import type { Closable } from '../plan/policy.ts';
import { type Records, RecordsError, type RecordsState, type RecordValue } from '../plan/records.ts';
import { fileIdentity } from './sqlite-database.ts';
import { describeFailure, isBusy } from './sqlite-failure.ts';
import { SqliteFile } from './sqlite-file.ts';
import { StoreState } from './store-state.ts';
import { isObject, type StoredRecord, valuesOf } from './stored-record.ts';
import { Watchers } from './watchers.ts';

/** How soon a change of another process is seen: one pragma and one `stat` each time. */
const POLL_MS = 300;
/** Between attempts to open a file that could not be opened. */
const REOPEN_MS = 1000;

/**
 * Records in one file, for the processes of one machine. SQLite answers within microseconds from what it has in memory,
 * so it runs on the main thread as it is, which carries no traffic.
 */
export class SqliteRecords implements Records {
  readonly #path: string;
  readonly #problem: (message: string) => void;
  readonly #state: StoreState;
  readonly #watchers: Watchers;
  readonly #garbage = new Set<string>();
  readonly #poll: NodeJS.Timeout;
  #file: SqliteFile | null = null;
  #dataVersion: unknown;
  #triedAt = Number.NEGATIVE_INFINITY;
  #closed = false;

  /** Never throws: a file that cannot be used shows in `state`, and is tried again. */
  constructor(path: string, problem: (message: string) => void) {
    this.#path = path;
    this.#problem = problem;
    this.#state = new StoreState('sqlite', problem);
    this.#watchers = new Watchers(problem);
    this.#poll = setInterval(() => this.#look(), POLL_MS);
    this.#poll.unref();
    this.#open();
  }

  get state(): RecordsState {
    return this.#state;
  }

  async list(collection: string): Promise<ReadonlyMap<string, RecordValue>> {
    const rows = this.#use((file) => file.list(collection));
    const records: [string, StoredRecord][] = [];
    for (const { id, value, expires_at: expiresAt } of rows) {
      const parsed = parseObject(value);
      if (parsed === null) this.#reportGarbage(collection, String(id));
      else records.push([String(id), { value: parsed, expiresAt: expiresAt as number | null }]);
    }
    return valuesOf(records);
  }

  async put(collection: string, id: string, value: RecordValue, expiresAt: number | null): Promise<void> {
    const expiry = expiresAt === null ? null : Math.ceil(expiresAt);
    this.#use((file) => file.put(collection, id, JSON.stringify(value), expiry));
    this.#watchers.changed(collection);
  }

  async remove(collection: string, id: string): Promise<boolean> {
    const expiry = this.#use((file) => file.remove(collection, id));
    if (expiry === undefined || (typeof expiry === 'number' && expiry <= Date.now())) return false;
    this.#watchers.changed(collection);
    return true;
  }

  watch(collection: string, changed: () => void): Closable {
    return this.#watchers.add(collection, changed);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#poll);
    this.#watchers.close();
    this.#drop();
  }

  #use<T>(work: (file: SqliteFile) => T): T {
    if (this.#closed) throw new RecordsError('the store was closed');
    const file = this.#file ?? this.#open();
    if (file === null) throw new RecordsError(this.#state.failure ?? `\`${this.#path}\` cannot be opened`);
    try {
      return work(file);
    } catch (error) {
      const message = describeFailure(error, this.#path);
      if (!isBusy(error)) this.#reconsider(message);
      throw new RecordsError(message, { cause: error });
    }
  }

  /** A full disk is no reason to stop reading; what cannot be read either has failed. */
  #reconsider(message: string): void {
    try {
      this.#file?.list('');
    } catch {
      this.#state.fail(message);
      this.#drop();
    }
  }

  #open(): SqliteFile | null {
    const now = performance.now();
    if (now - this.#triedAt < REOPEN_MS) return null;
    this.#triedAt = now;
    try {
      const file = new SqliteFile(this.#path);
      this.#file = file;
      this.#dataVersion = file.dataVersion;
      this.#state.recover(`\`${this.#path}\``);
      return file;
    } catch (error) {
      this.#state.fail(describeFailure(error, this.#path));
      return null;
    }
  }

  #drop(): void {
    const file = this.#file;
    this.#file = null;
    try {
      file?.close();
    } catch {
      // A handle that cannot be closed in order is no use to anyone either way.
    }
  }

  #look(): void {
    if (this.#watchers.size === 0) return;
    if (this.#file === null) {
      if (this.#open() !== null) this.#watchers.allChanged();
      return;
    }
    try {
      // A restored backup is another file under the same name.
      if (fileIdentity(this.#path) !== this.#file.identity) {
        this.#file.emptyLog();
        this.#drop();
        this.#triedAt = Number.NEGATIVE_INFINITY;
        if (this.#open() !== null) this.#watchers.allChanged();
        return;
      }
      const version = this.#file.dataVersion;
      if (version === this.#dataVersion) return;
      this.#dataVersion = version;
      this.#watchers.allChanged();
    } catch (error) {
      if (isBusy(error)) return;
      this.#state.fail(describeFailure(error, this.#path));
      this.#drop();
    }
  }

  #reportGarbage(collection: string, id: string): void {
    const what = `${collection} ${id}`;
    if (this.#garbage.has(what)) return;
    this.#garbage.add(what);
    this.#problem(`\`${this.#path}\`: the record \`${id}\` of \`${collection}\` makes no sense and is ignored`);
  }
}

function parseObject(text: unknown): RecordValue | null {
  try {
    const parsed: unknown = JSON.parse(String(text));
    return isObject(parsed) ? parsed : null;
  } catch {
    return null;
  }
}
