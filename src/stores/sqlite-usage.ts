import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { RecordsError, type RecordsState } from '../plan/records.ts';
import type { UsageChange, UsageRow, UsageStore, UsageTotal } from '../plan/usage.ts';
import { fileIdentity, inTransaction, openDatabase, type Tables } from './sqlite-database.ts';
import { describeFailure, isBusy } from './sqlite-failure.ts';
import type { StoreState } from './store-state.ts';
import { usageState } from './usage-state.ts';

/** Between attempts to open a file that could not be opened. */
const REOPEN_MS = 1000;
const PURGE_MS = 60_000;
/** Ended periods stay for a while: clocks differ, and somebody may want to read them. */
const KEPT_MS = 86_400_000;

const tables: Tables = {
  version: 1,
  sql: `
  CREATE TABLE usage (
    period TEXT NOT NULL,
    stamp INTEGER NOT NULL,
    subject TEXT NOT NULL,
    plan TEXT,
    used INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    PRIMARY KEY (period, stamp, subject)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX usage_by_end ON usage (ends_at);
`,
};

const ADD = `INSERT INTO usage (period, stamp, subject, plan, used, ends_at) VALUES (?, ?, ?, ?, max(0, ?), ?)
  ON CONFLICT DO UPDATE SET used = max(0, used + ?5), plan = coalesce(excluded.plan, plan), ends_at = excluded.ends_at
  RETURNING used`;
const RAISE = `INSERT INTO usage (period, stamp, subject, plan, used, ends_at) VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET used = max(used, excluded.used)`;
const LOAD = `SELECT stamp, subject, plan, used FROM usage WHERE period = ? AND stamp BETWEEN ? AND ?
  ORDER BY used DESC LIMIT ?`;

interface Opened {
  readonly database: DatabaseSync;
  readonly identity: string | null;
  readonly add: StatementSync;
  readonly raise: StatementSync;
  readonly load: StatementSync;
  readonly purge: StatementSync;
}

/**
 * Usage in one file, for the processes of one machine: everybody adds what came to it and learns the total, so that two
 * of them (the old and the new one of a take-over) count as one.
 */
export class SqliteUsage implements UsageStore {
  readonly #path: string;
  readonly #state: StoreState;
  #opened: Opened | null = null;
  #triedAt = Number.NEGATIVE_INFINITY;
  #purgedAt = 0;
  #closed = false;

  /** Never throws: a file that cannot be used shows in `state`, and is tried again. */
  constructor(path: string, problem: (message: string) => void) {
    this.#path = path;
    this.#state = usageState('sqlite', problem);
    this.#open();
  }

  get state(): RecordsState {
    return this.#state;
  }

  async load(window: string, from: number, to: number, most: number): Promise<readonly UsageRow[]> {
    return this.#use(({ load }) =>
      load.all(window, from, to, most).map(({ stamp, subject, plan, used }) => ({
        window,
        subject: String(subject),
        stamp: Number(stamp),
        plan: plan === null ? null : String(plan),
        used: Number(used),
      })),
    );
  }

  async push(changes: readonly UsageChange[]): Promise<readonly number[]> {
    return this.#use((opened) => {
      const { database, add } = opened;
      return inTransaction(database, () => {
        this.#purge(opened);
        return changes.map(({ window, stamp, subject, plan, delta, endsAt }) =>
          Number(add.get(window, stamp, subject, plan, delta, Math.ceil(endsAt))?.used),
        );
      });
    });
  }

  async generation(): Promise<string> {
    return this.#use(({ identity }) => identity ?? '');
  }

  async raise(totals: readonly UsageTotal[]): Promise<void> {
    this.#use(({ database, raise }) =>
      inTransaction(database, () => {
        for (const { window, stamp, subject, plan, used, endsAt } of totals) {
          raise.run(window, stamp, subject, plan, used, Math.ceil(endsAt));
        }
      }),
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#drop();
  }

  #purge({ purge }: Opened): void {
    const now = Date.now();
    if (now - this.#purgedAt < PURGE_MS) return;
    this.#purgedAt = now;
    purge.run(now - KEPT_MS);
  }

  #use<T>(work: (opened: Opened) => T): T {
    if (this.#closed) throw new RecordsError('the store was closed');
    // A restored backup is another file under the same name.
    if (this.#opened !== null && fileIdentity(this.#path) !== this.#opened.identity) this.#drop();
    const opened = this.#opened ?? this.#open();
    if (opened === null) throw new RecordsError(this.#state.failure ?? `\`${this.#path}\` cannot be opened`);
    try {
      const result = work(opened);
      this.#state.recover(`\`${this.#path}\``);
      return result;
    } catch (error) {
      const message = describeFailure(error, this.#path);
      if (!isBusy(error)) {
        this.#state.fail(message);
        this.#drop();
      }
      throw new RecordsError(message, { cause: error });
    }
  }

  #open(): Opened | null {
    const now = performance.now();
    if (now - this.#triedAt < REOPEN_MS) return null;
    this.#triedAt = now;
    try {
      const { database, identity } = openDatabase(this.#path, tables);
      try {
        const add = database.prepare(ADD);
        const raise = database.prepare(RAISE);
        const load = database.prepare(LOAD);
        const purge = database.prepare('DELETE FROM usage WHERE ends_at < ?');
        this.#opened = { database, identity, add, raise, load, purge };
      } catch (error) {
        database.close();
        throw error;
      }
      return this.#opened;
    } catch (error) {
      this.#state.fail(describeFailure(error, this.#path));
      return null;
    }
  }

  #drop(): void {
    const opened = this.#opened;
    this.#opened = null;
    try {
      opened?.database.close();
    } catch {
      // A handle that cannot be closed in order is no use to anyone either way.
    }
  }
}
