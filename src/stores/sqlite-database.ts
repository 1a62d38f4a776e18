import { chmodSync, closeSync, openSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { damaged, UnfitFile } from './sqlite-failure.ts';

/** The main thread waits for no longer: its workers take its silence for a hang after a second. */
const BUSY_TIMEOUT_MS = 250;

/** What a file has to hold. */
export interface Tables {
  /** Kept in `user_version`. */
  readonly version: number;
  readonly sql: string;
}

/** The file as it is on disk: another one may be put in its place. */
export function fileIdentity(file: string): string | null {
  const stats = statSync(file, { throwIfNoEntry: false, bigint: true });
  return stats === undefined ? null : `${stats.dev}:${stats.ino}`;
}

export interface OpenedDatabase {
  readonly database: DatabaseSync;
  /** Of the file at the time it was opened. */
  readonly identity: string | null;
}

/** A database file that nobody else can read, with its tables. Throws what SQLite says. */
export function openDatabase(file: string, tables: Tables): OpenedDatabase {
  createPrivate(file);
  const identity = fileIdentity(file);
  const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
  try {
    prepare(database, file, tables);
    return { database, identity };
  } catch (error) {
    database.close();
    throw error;
  }
}

export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    // SQLite may have rolled back by itself, e.g. on a full disk.
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/** SQLite gives its `-wal` and `-shm` the mode of the file itself. */
function createPrivate(file: string): void {
  closeSync(openSync(file, 'a', 0o600));
  if ((statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600);
}

function prepare(database: DatabaseSync, file: string, { version, sql }: Tables): void {
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF');
  const verdict = database.prepare('PRAGMA quick_check(1)').get()?.quick_check;
  if (verdict !== 'ok') throw damaged(file, String(verdict));
  if (versionOf(database) === 0) {
    // Another process may be at the same: whoever comes second finds the tables.
    inTransaction(database, () => {
      if (versionOf(database) === 0) database.exec(`${sql}; PRAGMA user_version = ${version}`);
    });
  } else if (versionOf(database) !== version) {
    const written = versionOf(database);
    throw new UnfitFile(`was written by another version of Sluice (${written}): use that one, or move the file away`);
  }
}

function versionOf(database: DatabaseSync): unknown {
  return database.prepare('PRAGMA user_version').get()?.user_version;
}
