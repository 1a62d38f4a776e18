import { chmodSync, closeSync, openSync, statSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { damaged, UnfitFile } from './sqlite-failure.ts';

/** Version of the tables below, kept in `user_version`. */
const SCHEMA_VERSION = 1;
/** The main thread waits for no longer: its workers take its silence for a hang after a second. */
const BUSY_TIMEOUT_MS = 250;

const TABLES = `
  CREATE TABLE records (
    collection TEXT NOT NULL,
    id TEXT NOT NULL,
    value TEXT NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (collection, id)
  ) STRICT, WITHOUT ROWID;
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** The file as it is on disk: another one may be put in its place. */
export function fileIdentity(file: string): string | null {
  const stats = statSync(file, { throwIfNoEntry: false, bigint: true });
  return stats === undefined ? null : `${stats.dev}:${stats.ino}`;
}

/** An open database file with the statements that records need. Throws what SQLite says. */
export class SqliteFile {
  /** `fileIdentity` at the time it was opened. */
  readonly identity: string | null;
  readonly #database: DatabaseSync;
  readonly #list: StatementSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #purge: StatementSync;
  readonly #version: StatementSync;

  constructor(file: string) {
    createPrivate(file);
    this.identity = fileIdentity(file);
    this.#database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
    try {
      prepare(this.#database, file);
      this.#list = this.#database.prepare('SELECT id, value, expires_at FROM records WHERE collection = ?');
      this.#put = this.#database.prepare(
        'INSERT INTO records (collection, id, value, expires_at) VALUES (?, ?, ?, ?)' +
          ' ON CONFLICT DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at',
      );
      this.#remove = this.#database.prepare(
        'DELETE FROM records WHERE collection = ? AND id = ? RETURNING expires_at AS expiry',
      );
      this.#purge = this.#database.prepare('DELETE FROM records WHERE expires_at <= ?');
      this.#version = this.#database.prepare('PRAGMA data_version');
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** Changes when another connection has changed the file (https://sqlite.org/pragma.html#pragma_data_version). */
  get dataVersion(): unknown {
    return this.#version.get()?.data_version;
  }

  list(collection: string): { id: unknown; value: unknown; expires_at: unknown }[] {
    return this.#list.all(collection) as { id: unknown; value: unknown; expires_at: unknown }[];
  }

  /** What has expired goes on the way. */
  put(collection: string, id: string, value: string, expiresAt: number | null): void {
    this.#transaction(() => {
      this.#purge.run(Date.now());
      this.#put.run(collection, id, value, expiresAt);
    });
  }

  /** Expiry of what was removed; `undefined`: there was none. */
  remove(collection: string, id: string): unknown {
    return this.#remove.get(collection, id)?.expiry;
  }

  /**
   * Nothing ties a write-ahead log to its database but the name: were another file put in this one's place, it would
   * get what is in the log (https://sqlite.org/howtocorrupt.html, 4.1).
   */
  emptyLog(): void {
    this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  }

  close(): void {
    this.#database.close();
  }

  #transaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#database.exec('COMMIT');
    } catch (error) {
      // SQLite may have rolled back by itself, e.g. on a full disk.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }
}

/** SQLite gives its `-wal` and `-shm` the mode of the file itself. */
function createPrivate(file: string): void {
  closeSync(openSync(file, 'a', 0o600));
  if ((statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600);
}

function prepare(database: DatabaseSync, file: string): void {
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF');
  const verdict = database.prepare('PRAGMA quick_check(1)').get()?.quick_check;
  if (verdict !== 'ok') throw damaged(file, String(verdict));
  const version = database.prepare('PRAGMA user_version').get()?.user_version;
  if (version === 0) {
    // Another process may be at the same: whoever comes second finds the tables.
    database.exec('BEGIN IMMEDIATE');
    try {
      if (database.prepare('PRAGMA user_version').get()?.user_version === 0) database.exec(TABLES);
      database.exec('COMMIT');
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  } else if (version !== SCHEMA_VERSION) {
    throw new UnfitFile(`was written by another version of Sluice (${version}): use that one, or move the file away`);
  }
}
