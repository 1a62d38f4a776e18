import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { RespError, type RespReply, RespReader, RespViolation, respBytes, respCommand } from './resp.ts';
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
 * list and several closures for each command, and takes 28 MB in each worker (docs/decisions).
 */
export class RedisWire {
  readonly server: RedisServer;
  readonly #socket: Socket;
  readonly #reader = new RespReader();
  readonly #questions: Question[] = [];
  #first = 0;
  #ended: string | null = null;
  /** Called once. */
  onEnd: ((reason: string) => void) | null = null;

  constructor(settings: RedisSettings, server: RedisServer) {
    this.server = server;
    const socket = openSocket(settings, server);
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', (error) => this.end(reasonOf(error)));
    socket.on('close', () => this.end('the connection was closed'));
  }

  get ended(): string | null {
    return this.#ended;
  }

  /** Questions without an answer. */
  get open(): number {
    return this.#questions.length - this.#first;
  }

  /** `commands`: one for each question, one byte a character. */
  send(commands: string, ...questions: readonly Question[]): void {
    if (this.#ended !== null) {
      for (const question of questions) question.lost(this.#ended);
      return;
    }
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

/** For questions of the background. Rejects with what the server or the connection said. */
export function ask(wire: RedisWire, command: string): Promise<RespReply> {
  return new Promise((resolve, reject) => {
    wire.send(command, {
      answered: (reply) => (reply instanceof RespError ? reject(new Error(reply.text)) : resolve(reply)),
      lost: (reason) => reject(new Error(reason)),
    });
  });
}

/** A connection that has logged in, and whose server has answered `first` as one that can be used. */
export async function openWire(settings: RedisSettings, server: RedisServer, first: string): Promise<RedisWire> {
  const wire = new RedisWire(settings, server);
  const timer = setTimeout(() => wire.end(`no answer within ${CONNECT_TIMEOUT_MS} ms`), CONNECT_TIMEOUT_MS);
  const { username, password, database } = settings;
  const steps: Promise<RespReply>[] = [];
  if (password !== null) {
    const words = username === null ? [password] : [username, password];
    steps.push(ask(wire, respCommand('AUTH', ...words.map(respBytes))));
  }
  if (database !== 0) steps.push(ask(wire, respCommand('SELECT', String(database))));
  steps.push(ask(wire, first));
  try {
    // One after the other, so that the first thing that went wrong is what is said.
    const results = await Promise.allSettled(steps);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    return wire;
  } catch (error) {
    wire.end(reasonOf(error));
    throw new Error(wire.ended ?? reasonOf(error), { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** Where the sentinels say that the server in charge is. */
export async function askSentinels(settings: RedisSettings): Promise<RedisServer> {
  const { master = '', username = null, password = null } = settings.sentinel ?? {};
  const question = respCommand('PING');
  const own: RedisSettings = { ...settings, username, password, database: 0 };
  let failure: unknown = new Error('no sentinel is configured');
  for (const sentinel of settings.servers) {
    let wire: RedisWire | null = null;
    try {
      wire = await openWire(own, sentinel, question);
      const answer = await ask(wire, respCommand('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', respBytes(master)));
      const [host, port] = Array.isArray(answer) ? answer : [];
      if (typeof host === 'string' && /^\d{1,5}$/.test(String(port))) return { host, port: Number(port), path: null };
      failure = new Error(`the sentinel at ${formatServer(sentinel)} knows no master \`${master}\``);
    } catch (error) {
      failure = error;
    } finally {
      wire?.end('done');
    }
  }
  throw failure;
}

/** What others wrote gets into logs and answers: short, one line, printable. */
function reasonOf(error: unknown): string {
  const { message, code, errors } = error as NodeJS.ErrnoException & { errors?: Error[] };
  // Several addresses of one name fail together, without a message of their own.
  const text = message || errors?.[0]?.message || code || String(error);
  return text.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, 200);
}
