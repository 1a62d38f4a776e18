import { randomUUID } from 'node:crypto';
import { RecordsError, type RecordsState } from '../plan/records.ts';
import type { ResponsePurge } from '../plan/response-store.ts';
import type { LoggedPurge, PurgeListener, PurgeLog } from '../plan/shared-responses.ts';
import type { RedisClient } from './redis-connect.ts';
import { RedisLine } from './redis-line.ts';
import type { RedisSettings } from './settings.ts';
import { StoreState } from './store-state.ts';

/** So often the others' purges are looked for: what is asked of a purge is a second. */
const LOOK_MS = 250;
const PATIENCE_MS = 2000;
/** Purges that are kept: who has missed more than these has missed it all. */
const MAX_LOGGED = '100000';
const AT_ONCE = 1000;
/** More than this at one time, and everything is taken for purged. */
const MAX_CAUGHT_UP = 50_000;

/**
 * The purges of all machines: a stream. Beside it stands a name made at random with it; another name means that the
 * stream was lost, and with it what nobody here has heard of.
 */
export class RedisPurgeLog implements PurgeLog {
  readonly #line: RedisLine;
  readonly #state: StoreState;
  readonly #listener: PurgeListener;
  readonly #stream: string;
  readonly #nameKey: string;
  readonly #looking: NodeJS.Timeout;
  #name: string | null = null;
  /** The last entry that was heard of, as Redis writes it. */
  #last = '0-0';
  #isBehind = true;
  #isLooking = false;
  #closed = false;

  constructor(settings: RedisSettings, listener: PurgeListener, problem: (message: string) => void) {
    this.#listener = listener;
    const meanwhile = 'purges reach other machines when it is back, and nothing is shared until then';
    this.#state = new StoreState('redis', problem, meanwhile);
    this.#stream = `${settings.prefix}:{purges}`;
    this.#nameKey = `${this.#stream}:name`;
    this.#line = new RedisLine({
      settings,
      key: `${this.#stream}:any`,
      patience: Math.max(PATIENCE_MS, settings.timeout),
      up: () => {
        this.#isBehind = true;
        void this.#look();
      },
      down: (reason) => this.#away(`${this.#line.name} cannot be reached (${reason})`),
    });
    this.#looking = setInterval(() => void this.#look(), LOOK_MS);
    this.#looking.unref();
  }

  get state(): RecordsState {
    return this.#state;
  }

  async add(purges: readonly ResponsePurge[]): Promise<void> {
    if (this.#closed) throw new RecordsError('the log was closed');
    await this.#append(purges);
    await this.#look();
  }

  async #append(purges: readonly ResponsePurge[]): Promise<void> {
    await this.#line.ask((client) =>
      Promise.all(
        purges.map(({ by, value, soft }) =>
          client.sendCommand([
            ...['XADD', this.#stream, 'MAXLEN', '~', MAX_LOGGED, '*'],
            ...['by', by, 'value', value, 'soft', soft ? '1' : '0'],
          ]),
        ),
      ),
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#looking);
    this.#line.close();
  }

  #away(failure: string): void {
    if (this.#closed) return;
    this.#state.fail(failure);
    this.#isBehind = true;
    this.#listener.away();
  }

  async #look(): Promise<void> {
    if (this.#isLooking || this.#closed) return;
    this.#isLooking = true;
    try {
      if (this.#isBehind) await this.#catchUp();
      else await this.#read();
      this.#state.recover(this.#line.name);
    } catch (error) {
      this.#away((error as Error).message);
    } finally {
      this.#isLooking = false;
    }
  }

  async #catchUp(): Promise<void> {
    const name = await this.#line.ask((client) => this.#nameOf(client));
    const isFirst = this.#name === null;
    let isKnown = isFirst || name === this.#name;
    if (!isKnown) this.#last = '0-0';
    // What follows the last one that was heard of may not be kept any more.
    const { last: oldest } = await this.#entries('-', 1);
    if (this.#last !== '0-0' && comparable(oldest) > comparable(this.#last)) isKnown = false;
    const missed = await this.#missed();
    if (missed.length > MAX_CAUGHT_UP) {
      isKnown = false;
      missed.splice(0, missed.length - 1);
    }
    if (!isKnown && missed.length === 0) {
      // What is not to be believed has to come before something.
      await this.#append([{ by: 'all', value: '', soft: false }]);
      missed.push(...(await this.#missed()));
    }
    if (this.#closed) return;
    this.#name = name;
    this.#isBehind = false;
    this.#listener.heard(missed, isKnown);
  }

  async #missed(): Promise<LoggedPurge[]> {
    const missed: LoggedPurge[] = [];
    for (let isMore = true; isMore; ) {
      const { purges, last, isFull } = await this.#entries(`(${this.#last}`, AT_ONCE);
      this.#last = last;
      missed.push(...purges);
      isMore = isFull;
    }
    return missed;
  }

  async #read(): Promise<void> {
    const { purges, last } = await this.#entries(`(${this.#last}`, AT_ONCE);
    this.#last = last;
    if (!this.#closed && purges.length > 0) this.#listener.heard(purges, true);
  }

  async #nameOf(client: RedisClient): Promise<string> {
    await client.sendCommand(['SET', this.#nameKey, randomUUID(), 'NX']);
    return String(await client.sendCommand(['GET', this.#nameKey]));
  }

  async #entries(from: string, count: number): Promise<{ purges: LoggedPurge[]; last: string; isFull: boolean }> {
    const asked = ['XRANGE', this.#stream, from, '+', 'COUNT', String(count)];
    const reply: unknown = await this.#line.ask((client) => client.sendCommand(asked));
    if (!Array.isArray(reply)) throw new RecordsError(`${this.#line.name} answers what makes no sense`);
    const purges: LoggedPurge[] = [];
    let last = this.#last;
    for (const entry of reply) {
      const [id, fields] = Array.isArray(entry) ? entry : [];
      if (typeof id !== 'string' || !Array.isArray(fields)) {
        throw new RecordsError(`${this.#line.name} answers what makes no sense`);
      }
      last = id;
      purges.push({ id: comparable(id), purge: readPurge(fields) });
    }
    return { purges, last, isFull: reply.length === count };
  }
}

/** `1700000000000-7`, with as many digits as there may ever be, so that text compares as numbers do. */
function comparable(id: string): string {
  const [time = '', number = ''] = id.split('-');
  return `${time.padStart(15, '0')}-${number.padStart(10, '0')}`;
}

/** What another version means by it nobody here knows: it may be about anything. */
function readPurge(fields: readonly unknown[]): ResponsePurge {
  const named = new Map<unknown, unknown>();
  for (let i = 0; i + 1 < fields.length; i += 2) named.set(fields[i], fields[i + 1]);
  const by = named.get('by');
  const value = named.get('value');
  const soft = named.get('soft') === '1';
  if (typeof value === 'string' && (by === 'key' || by === 'prefix' || by === 'tag')) return { by, value, soft };
  return { by: 'all', value: '', soft: by === 'all' && soft };
}
