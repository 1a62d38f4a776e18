import { randomUUID } from 'node:crypto';
import { RecordsError, type RecordsState } from '../plan/records.ts';
import type { UsageChange, UsageRow, UsageStore, UsageTotal } from '../plan/usage.ts';
import { type RedisClient, reasonOf, redisLibrary } from './redis-connect.ts';
import { RedisLine } from './redis-line.ts';
import type { RedisSettings } from './settings.ts';
import type { StoreState } from './store-state.ts';
import { usageState } from './usage-state.ts';

const PATIENCE_MS = 2000;
/** Ended periods stay for a while: clocks differ, and somebody may want to read them. */
const KEPT_SECONDS = 86_400;

const RAISE = `if (tonumber(redis.call('HGET', KEYS[1], ARGV[1])) or 0) < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end`;

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

  async push(changes: readonly UsageChange[]): Promise<readonly (number | null)[]> {
    const ends = new Map<string, number>();
    for (const { window, stamp, endsAt } of changes) ends.set(this.#key(window, stamp), endsAt);
    const outcomes = await this.#ask(async (client) => {
      // All of it leaves in one write; expiry goes along, so that no key outlives its period by much.
      const asked = changes.map(({ window, stamp, subject, delta }) =>
        client.hIncrBy(this.#key(window, stamp), subject, delta),
      );
      const ending = [...ends].map(([key, endsAt]) => client.expireAt(key, Math.ceil(endsAt / 1000) + KEPT_SECONDS));
      // One that is refused must not have the others counted again.
      const settled = await Promise.allSettled([...asked, ...ending]);
      const failed = settled.find(({ status }) => status === 'rejected');
      if (failed?.status === 'rejected' && settled.every(({ status }) => status === 'rejected')) throw failed.reason;
      return settled.slice(0, changes.length);
    });
    return this.#totals(outcomes);
  }

  async generation(): Promise<string> {
    const key = `${this.#prefix}generation`;
    const found = await this.#ask(async (client) => {
      const before = await client.get(key);
      if (before !== null) return before;
      await client.set(key, randomUUID(), { condition: 'NX' });
      return client.get(key);
    });
    return found ?? '';
  }

  async raise(totals: readonly UsageTotal[]): Promise<void> {
    await this.#ask((client) =>
      Promise.all(
        totals.map(({ window, stamp, subject, used }) =>
          client.eval(RAISE, { keys: [this.#key(window, stamp)], arguments: [subject, String(used)] }),
        ),
      ),
    );
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

  #totals(outcomes: readonly PromiseSettledResult<number>[]): (number | null)[] {
    let failure: unknown = null;
    const totals = outcomes.map((outcome) => {
      if (outcome.status === 'fulfilled' && Number.isSafeInteger(outcome.value)) return Math.max(0, outcome.value);
      failure = outcome.status === 'rejected' ? outcome.reason : new Error('what it answers makes no sense');
      return null;
    });
    if (failure === null) this.#state.recover(this.#line.name);
    else this.#state.fail(`${this.#line.name} refuses (${reasonOf(failure)})`);
    return totals;
  }

  #key(window: string, stamp: number): string {
    return `${this.#prefix}${window}:${stamp}`;
  }
}
