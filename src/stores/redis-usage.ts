import { RecordsError, type RecordsState } from '../plan/records.ts';
import type { UsageChange, UsageRow, UsageStore } from '../plan/usage.ts';
import { type RedisClient, redisLibrary } from './redis-connect.ts';
import { RedisLine } from './redis-line.ts';
import type { RedisSettings } from './settings.ts';
import type { StoreState } from './store-state.ts';
import { usageState } from './usage-state.ts';

const PATIENCE_MS = 2000;
/** Ended periods stay for a while: clocks differ, and somebody may want to read them. */
const KEPT_SECONDS = 86_400;

/**
 * Usage that machines share: a hash for each period, field by field what a subject used in it. The hash tag `{usage}`
 * keeps all of them on one node of a cluster. Who adds learns the total, so that machines need no other word.
 */
export class RedisUsage implements UsageStore {
  readonly #line: RedisLine;
  readonly #state: StoreState;
  readonly #prefix: string;
  #closed = false;

  constructor(settings: RedisSettings, problem: (message: string) => void) {
    this.#state = usageState('redis', problem);
    this.#prefix = `${settings.prefix}:{usage}:`;
    this.#line = new RedisLine({
      settings,
      key: `${this.#prefix}any`,
      patience: Math.max(PATIENCE_MS, settings.timeout),
      up: () => this.#state.recover(this.#line.name),
      down: (reason) => this.#state.fail(`${this.#line.name} cannot be reached (${reason})`),
    });
  }

  get state(): RecordsState {
    return this.#state;
  }

  async load(window: string, from: number, to: number, most: number): Promise<readonly UsageRow[]> {
    const rows: UsageRow[] = [];
    for (let stamp = from; stamp <= to; stamp++) {
      for (const [subject, text] of await this.#read(this.#key(window, stamp))) {
        const used = Number(text);
        if (Number.isSafeInteger(used)) rows.push({ window, subject, stamp, plan: null, used: Math.max(0, used) });
      }
    }
    this.#state.recover(this.#line.name);
    return rows.sort((one, other) => other.used - one.used).slice(0, most);
  }

  async push(changes: readonly UsageChange[]): Promise<readonly number[]> {
    const ends = new Map<string, number>();
    for (const { window, stamp, endsAt } of changes) ends.set(this.#key(window, stamp), endsAt);
    const totals = await this.#ask((client) => {
      // All of it leaves in one write; expiry goes along, so that no key outlives its period by much.
      const asked = changes.map(({ window, stamp, subject, delta }) =>
        client.hIncrBy(this.#key(window, stamp), subject, delta),
      );
      const ending = [...ends].map(([key, endsAt]) => client.expireAt(key, Math.ceil(endsAt / 1000) + KEPT_SECONDS));
      return Promise.all([...asked, ...ending]).then((answers) => answers.slice(0, changes.length));
    });
    if (!totals.every((total) => Number.isSafeInteger(total))) {
      throw new RecordsError(`${this.#line.name} answers what makes no sense`);
    }
    this.#state.recover(this.#line.name);
    return totals.map((total) => Math.max(0, total));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#line.close();
  }

  async #read(key: string): Promise<ReadonlyMap<string, string>> {
    const fields: unknown = await this.#ask(async (client) => {
      const { RESP_TYPES } = await redisLibrary();
      return client.withTypeMapping({ [RESP_TYPES.MAP]: Map }).hGetAll(key);
    });
    if (!(fields instanceof Map)) throw new RecordsError(`${this.#line.name} answers what makes no sense`);
    return fields as Map<string, string>;
  }

  async #ask<T>(command: (client: RedisClient) => Promise<T>): Promise<T> {
    if (this.#closed) throw new RecordsError('the store was closed');
    try {
      return await this.#line.ask(command);
    } catch (error) {
      this.#state.fail((error as Error).message);
      throw error;
    }
  }

  #key(window: string, stamp: number): string {
    return `${this.#prefix}${window}:${stamp}`;
  }
}
