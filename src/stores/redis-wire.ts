import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { reasonOf } from './redis-connect.ts';
import { RespError, RespReader, type RespReply, RespViolation, respBytes, respCommand } from './resp.ts';
import { formatServer, type RedisServer, type RedisSettings } from './settings.ts';

/** From the first packet to a server that knows us. */
const CONNECT_TIMEOUT_MS = 3000;
const KEEP_ALIVE_MS = 10_000;

/** Something that was asked and will be answered, in order. */
export interface Question {
  answered(reply: RespReply): void;
  /** The connection ended before the answer; whoever waits has to be told. */
  lost(reason: string): void;
}

/**
 * One connection to one server, and what was asked on it. Not `@redis/client`, which `RedisLine` uses for work in the
 * background, because every worker has one of these and every request may go through it: the library makes a promise, a
 * list and several closures for each command, and takes 28 MB in each worker (docs/decisions/0007).
 */
export class RedisWire {
  readonly server: RedisServer;
  readonly #socket: Socket;
  readonly #reader = new RespReader();
  readonly #questions: Question[] = [];
  #first = 0;
  #waitingSince = 0;
  #ended: string | null = null;
  /** Called once. */
  onEnd: ((reason: string) => void) | null = null;

  constructor(settings: RedisSettings, server: RedisServer) {
    this.server = server;
    const socket = openSocket(settings, server);
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', (error) => this.end(reasonOf(error)));
    socket.on('close', () => this.end('the connection was closed'));
  }

  get ended(): string | null {
    return this.#ended;
  }

  /** Milliseconds for which something has been waiting for the next answer; 0 when nothing does. */
  waiting(now: number): number {
    return this.#questions.length === this.#first ? 0 : now - this.#waitingSince;
  }

  /** `commands`: one for each question, one byte a character. */
  send(commands: string, ...questions: readonly Question[]): void {
    if (this.#ended !== null) {
      for (const question of questions) question.lost(this.#ended);
      return;
    }
    if (this.#questions.length === this.#first) this.#waitingSince = performance.now();
    for (const question of questions) this.#questions.push(question);
    this.#socket.write(commands, 'latin1');
  }

  end(reason: string): void {
    if (this.#ended !== null) return;
    this.#ended = `${formatServer(this.server)}: ${reason}`;
    this.#socket.destroy();
    const open = this.#questions.slice(this.#first);
    this.#questions.length = 0;
    this.#first = 0;
    for (const question of open) question.lost(this.#ended);
    this.onEnd?.(this.#ended);
  }

  #read(chunk: Buffer): void {
    this.#waitingSince = performance.now();
    try {
      this.#reader.feed(chunk);
      for (let reply = this.#reader.next(); reply !== undefined; reply = this.#reader.next()) {
        const question = this.#questions[this.#first];
        if (question === undefined) throw new RespViolation('an answer to nothing');
        this.#first++;
        if (this.#first === this.#questions.length || this.#first === 1024) {
          this.#questions.splice(0, this.#first);
          this.#first = 0;
        }
        question.answered(reply);
        if (this.#ended !== null) return;
      }
    } catch (error) {
      // Answers are matched to questions by counting them: from here on every one of them could be another's.
      if (error instanceof RespViolation) this.end(`it does not speak RESP (${error.message})`);
      else throw error;
    }
  }
}

function openSocket({ tls }: RedisSettings, { host, port, path }: RedisServer): Socket {
  if (path !== null) return connectTcp({ path });
  if (tls === null) return connectTcp({ host, port });
  return connectTls({
    host,
    port,
    rejectUnauthorized: tls.verify,
    ...(tls.ca === null ? {} : { ca: tls.ca }),
    ...(tls.certificate === null ? {} : { cert: tls.certificate }),
    ...(tls.key === null ? {} : { key: tls.key }),
    ...(tls.serverName === null ? {} : { servername: tls.serverName }),
  });
}

/** For questions of the background. What the server refuses is an answer as well; rejects when the connection ends. */
export function ask(wire: RedisWire, command: string): Promise<RespReply> {
  return new Promise((resolve, reject) => {
    wire.send(command, { answered: resolve, lost: (reason) => reject(new Error(reason)) });
  });
}

export interface OpenedWire {
  readonly wire: RedisWire;
  /** What the first question was answered with. */
  readonly reply: RespReply;
}

/** A connection that has logged in, and has answered the first question in some way; rejects when that takes too long. */
export async function openWire(settings: RedisSettings, server: RedisServer, first: string): Promise<OpenedWire> {
  const wire = new RedisWire(settings, server);
  const timer = setTimeout(() => wire.end(`no answer within ${CONNECT_TIMEOUT_MS} ms`), CONNECT_TIMEOUT_MS);
  const { username, password, database } = settings;
  const questions: Promise<RespReply>[] = [];
  if (password !== null) {
    const words = username === null ? [password] : [username, password];
    questions.push(ask(wire, respCommand('AUTH', ...words.map(respBytes))));
  }
  if (database !== 0) questions.push(ask(wire, respCommand('SELECT', String(database))));
  // All go together: a connection that is lost now costs one round trip.
  questions.push(ask(wire, first));
  try {
    const replies = await Promise.all(questions);
    const reply = replies.pop() ?? null;
    for (const login of replies) if (login instanceof RespError) throw new Error(login.text);
    return { wire, reply };
  } catch (error) {
    const reason = reasonOf(error);
    wire.end(reason);
    throw new Error(wire.ended ?? reason, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** Where the sentinels say that the server in charge is. */
export async function askSentinels(settings: RedisSettings): Promise<RedisServer> {
  const { master = '', username = null, password = null } = settings.sentinel ?? {};
  const own: RedisSettings = { ...settings, username, password, database: 0 };
  const question = respCommand('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', respBytes(master));
  let failure: unknown = new Error('no sentinel is configured');
  for (const sentinel of settings.servers) {
    try {
      const { wire, reply } = await openWire(own, sentinel, question);
      wire.end('done');
      const [host, port] = Array.isArray(reply) ? reply : [];
      if (typeof host === 'string' && /^\d{1,5}$/.test(String(port))) return { host, port: Number(port), path: null };
      const refusal = reply instanceof RespError ? `refuses (${reply.text})` : `knows no master \`${master}\``;
      failure = new Error(`the sentinel at ${formatServer(sentinel)} ${refusal}`);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}
