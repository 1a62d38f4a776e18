import { RecordsError } from '../plan/records.ts';
import { connectRedis, isRefusal, LateError, type RedisClient, reasonOf, within } from './redis-connect.ts';
import { formatServer, type RedisSettings } from './settings.ts';

/** Between attempts to connect: from the first, doubled each time, to the last; a quarter more or less. */
const BACKOFF_MS = { first: 50, last: 2000 } as const;
/** A server that stopped without saying so is found out by asking. */
const HEARTBEAT_MS = 1000;
/** Replies after which another server has to be looked for: this one cannot be the right one for now. */
const WRONG_SERVER = /^(MOVED|ASK|READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOAUTH|UNBLOCKED) ?/;

export interface LineOptions {
  readonly settings: RedisSettings;
  /** Any of the keys that will be asked for. */
  readonly key: string;
  /** Milliseconds that any command may take. */
  readonly patience: number;
  /** Connected: for what has to be set up on every connection. Must not throw. */
  up(client: RedisClient): void;
  down(reason: string): void;
}

/**
 * Keeps one connection to Redis alive, for work in the background. Nothing waits for a server that is away: without a
 * connection, a command fails at once.
 */
export class RedisLine {
  readonly name: string;
  readonly #options: LineOptions;
  #client: RedisClient | null = null;
  #failure = 'not connected yet';
  #first: Promise<void> | null;
  #retry: NodeJS.Timeout | null = null;
  #heartbeat: NodeJS.Timeout | null = null;
  #delay: number = BACKOFF_MS.first;
  #closed = false;

  constructor(options: LineOptions) {
    this.#options = options;
    this.name = `Redis at ${options.settings.servers.map(formatServer).join(', ')}`;
    this.#first = this.#connect().finally(() => {
      this.#first = null;
    });
  }

  /** Rejects with `RecordsError`, within the patience. Only the very first attempt to connect is waited for. */
  async ask<T>(command: (client: RedisClient) => Promise<T>): Promise<T> {
    if (this.#first !== null) await within(this.#options.patience, this.#first).catch(() => undefined);
    const client = this.#client;
    if (client === null) throw new RecordsError(`${this.name} cannot be reached (${this.#failure})`);
    try {
      return await within(this.#options.patience, command(client));
    } catch (error) {
      const refused = await isRefusal(error);
      const reason = reasonOf(error);
      if (error instanceof LateError || (refused && WRONG_SERVER.test(reason))) this.#lose(client, reason);
      throw new RecordsError(`${this.name} ${refused ? 'refuses' : 'failed'} (${reason})`, { cause: error });
    }
  }

  close(): void {
    this.#closed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    if (this.#heartbeat !== null) clearInterval(this.#heartbeat);
    const client = this.#client;
    this.#client = null;
    client?.destroy();
  }

  async #connect(): Promise<void> {
    const { settings, key, up } = this.#options;
    try {
      const { client, lost } = await connectRedis(settings, key);
      if (this.#closed) {
        client.destroy();
        return;
      }
      this.#client = client;
      this.#delay = BACKOFF_MS.first;
      this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS);
      this.#heartbeat.unref();
      void lost.then((reason) => this.#lose(client, reason));
      up(client);
    } catch (error) {
      this.#fail(reasonOf(error));
    }
  }

  #beat(): void {
    this.ask((client) => client.hLen(this.#options.key)).catch(() => undefined);
  }

  #lose(client: RedisClient, reason: string): void {
    if (this.#client !== client) return;
    this.#client = null;
    client.destroy();
    if (this.#heartbeat !== null) clearInterval(this.#heartbeat);
    this.#fail(reason);
  }

  #fail(reason: string): void {
    if (this.#closed) return;
    this.#failure = reason;
    this.#options.down(reason);
    const delay = this.#delay * (0.75 + Math.random() / 2);
    this.#delay = Math.min(this.#delay * 2, BACKOFF_MS.last);
    this.#retry = setTimeout(() => void this.#connect(), delay);
    this.#retry.unref();
  }
}
