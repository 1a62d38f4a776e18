import { createHash } from 'node:crypto';
import type { Closable } from '../plan/policy.ts';
import { type Records, RecordsError, type RecordsState, type RecordValue } from '../plan/records.ts';
import type { LastKnown } from './last-known.ts';
import { type RedisClient, reasonOf, redisLibrary } from './redis-connect.ts';
import { RedisLine } from './redis-line.ts';
import type { RedisSettings } from './settings.ts';
import { StoreState } from './store-state.ts';
import { hasExpired, readRecord, type StoredRecord, valuesOf } from './stored-record.ts';
import { Watchers } from './watchers.ts';

/** The settings' timeout is for requests that wait; whole collections are read in the background. */
const PATIENCE_MS = 2000;
/** Messages can get lost: so often everything that is watched is read and compared. */
const REREAD_MS = 5000;
/** Clocks differ: nothing goes before it has expired on every machine. */
const PURGE_AFTER_MS = 60_000;
const MAX_PURGED = 100;
const MAX_COMPLAINTS = 1000;

/** Somebody may have put a new record in the place of the one that was read. */
const PURGE = `if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0`;

/**
 * Records that many machines share: a hash for each collection, field by field a record with its expiry, and a channel
 * that says which collection changed. The hash tag `{records}` keeps all of them on one node of a cluster.
 */
export class RedisRecords implements Records {
  readonly #line: RedisLine;
  readonly #state: StoreState;
  readonly #watchers: Watchers;
  readonly #known: LastKnown;
  readonly #problem: (message: string) => void;
  readonly #prefix: string;
  readonly #channel: string;
  /** Digests of collections as they were listed last. */
  readonly #seen = new Map<string, string>();
  readonly #complaints = new Set<string>();
  readonly #reread: NodeJS.Timeout;
  #closed = false;

  constructor(settings: RedisSettings, known: LastKnown, problem: (message: string) => void) {
    this.#known = known;
    this.#problem = problem;
    this.#state = new StoreState('redis', problem);
    this.#watchers = new Watchers(problem);
    this.#prefix = `${settings.prefix}:{records}:`;
    this.#channel = `${this.#prefix}changed`;
    this.#line = new RedisLine({
      settings,
      key: this.#key('any'),
      patience: Math.max(PATIENCE_MS, settings.timeout),
      up: (client) => this.#begin(client),
      down: (reason) => this.#state.fail(`${this.#line.name} cannot be reached (${reason})`),
    });
    this.#reread = setInterval(() => void this.#compare(), REREAD_MS);
    this.#reread.unref();
  }

  get state(): RecordsState {
    return this.#state;
  }

  async list(collection: string): Promise<ReadonlyMap<string, RecordValue>> {
    this.#assertOpen();
    try {
      const fields = await this.#read(collection);
      const records = this.#parse(collection, fields);
      const seen = digest(fields);
      if (seen !== this.#seen.get(collection)) this.#known.set(collection, records);
      this.#seen.set(collection, seen);
      this.#state.recover(this.#line.name);
      return valuesOf(records);
    } catch (error) {
      const { message } = error as RecordsError;
      if (!this.#closed) this.#state.fail(message);
      const known = this.#known.get(collection);
      if (known === undefined || this.#closed) throw error;
      return valuesOf(known);
    }
  }

  async put(collection: string, id: string, value: RecordValue, expiresAt: number | null): Promise<void> {
    this.#assertOpen();
    const text = JSON.stringify({ value, expiresAt } satisfies StoredRecord);
    await this.#line.ask((client) => client.hSet(this.#key(collection), id, text));
    this.#announce(collection);
  }

  async remove(collection: string, id: string): Promise<boolean> {
    this.#assertOpen();
    const key = this.#key(collection);
    const before = await this.#line.ask((client) => client.hGet(key, id));
    const removed = await this.#line.ask((client) => client.hDel(key, id));
    if (removed === 0) return false;
    this.#announce(collection);
    const record = typeof before === 'string' ? readRecord(before) : null;
    return record === null || !hasExpired(record, Date.now());
  }

  watch(collection: string, changed: () => void): Closable {
    return this.#watchers.add(collection, changed);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#reread);
    this.#watchers.close();
    this.#line.close();
    this.#known.close();
  }

  #key(collection: string): string {
    return `${this.#prefix}${collection}`;
  }

  #assertOpen(): void {
    if (this.#closed) throw new RecordsError('the store was closed');
  }

  #begin(client: RedisClient): void {
    this.#state.recover(this.#line.name);
    const heard = (collection: string): void => {
      if (!this.#closed) this.#watchers.changed(collection);
    };
    // What was said before the subscription is in the collections when they are read after it.
    client
      .subscribe(this.#channel, heard)
      .catch((error: unknown) => {
        if (this.#closed || !client.isReady) return;
        const cost = `changes of other machines are seen after ${REREAD_MS / 1000} s`;
        this.#problem(`${this.#line.name} refuses the channel \`${this.#channel}\` (${reasonOf(error)}): ${cost}`);
      })
      .finally(() => {
        if (!this.#closed) this.#watchers.allChanged();
      });
  }

  #announce(collection: string): void {
    this.#watchers.changed(collection);
    // The change is made; who does not hear of it reads it a little later.
    this.#line.ask((client) => client.publish(this.#channel, collection)).catch(() => undefined);
  }

  async #compare(): Promise<void> {
    for (const collection of [...this.#watchers.collections]) {
      try {
        const now = digest(await this.#read(collection));
        if (now !== this.#seen.get(collection)) this.#watchers.changed(collection);
      } catch {
        // The line is down, which shows in `state`; once it is up again, everything is read.
        return;
      }
    }
  }

  async #read(collection: string): Promise<ReadonlyMap<string, string>> {
    const key = this.#key(collection);
    const fields: unknown = await this.#line.ask(async (client) => {
      const { RESP_TYPES } = await redisLibrary();
      return client.withTypeMapping({ [RESP_TYPES.MAP]: Map }).hGetAll(key);
    });
    if (!(fields instanceof Map)) throw new RecordsError(`${this.#line.name} answers what makes no sense`);
    return fields as Map<string, string>;
  }

  #parse(collection: string, fields: ReadonlyMap<string, string>): Map<string, StoredRecord> {
    const records = new Map<string, StoredRecord>();
    const old = Date.now() - PURGE_AFTER_MS;
    let purged = 0;
    for (const [id, text] of fields) {
      const record = typeof text === 'string' ? readRecord(text) : null;
      if (record === null) this.#complain(collection, id);
      else if (!hasExpired(record, old)) records.set(id, record);
      else if (purged++ < MAX_PURGED) this.#purge(collection, id, text);
    }
    return records;
  }

  /** Where scripts are not allowed, expired records stay in Redis and do no harm. */
  #purge(collection: string, id: string, text: string): void {
    const keys = [this.#key(collection)];
    this.#line.ask((client) => client.eval(PURGE, { keys, arguments: [id, text] })).catch(() => undefined);
  }

  #complain(collection: string, id: string): void {
    const what = `${collection} ${id}`;
    if (this.#complaints.has(what) || this.#complaints.size >= MAX_COMPLAINTS) return;
    this.#complaints.add(what);
    this.#problem(`${this.#line.name}: the record \`${id}\` of \`${collection}\` makes no sense and is ignored`);
  }
}

/** The same for the same fields, in whatever order they come. */
function digest(fields: ReadonlyMap<string, string>): string {
  const hash = createHash('sha256');
  for (const id of [...fields.keys()].sort()) hash.update(JSON.stringify([id, fields.get(id)]));
  return hash.digest('base64');
}
