import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { inTransaction, openDatabase, type Tables } from './sqlite-database.ts';

const tables: Tables = {
  version: 1,
  sql: `
  CREATE TABLE records (
    collection TEXT NOT NULL,
    id TEXT NOT NULL,
    value TEXT NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (collection, id)
  ) STRICT, WITHOUT ROWID;
`,
};

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
    const { database, identity } = openDatabase(file, tables);
    this.#database = database;
    this.identity = identity;
    try {
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
    inTransaction(this.#database, () => {
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
}
