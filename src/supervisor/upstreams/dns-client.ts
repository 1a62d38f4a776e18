import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns';
import { connect, isIPv6 } from 'node:net';
import {
  type DnsAnswer,
  decodeAnswer,
  encodeQuestion,
  NO_SUCH_NAME,
  type RecordType,
} from '../../semantics/dns-message.ts';

/** Each server is asked so often: datagrams get lost. */
const ROUNDS = 2;
const MAX_TCP_BYTES = 65_535;

/** RFC 1035, 4.1.1. */
const CODES: Readonly<Record<number, string>> = {
  1: 'finds the question malformed',
  2: 'cannot answer now (SERVFAIL)',
  4: 'does not answer such questions (NOTIMP)',
  5: 'refuses to answer (REFUSED)',
};

export interface DnsSettings {
  /** `address:port`; null: those of the system, as they are now. */
  readonly servers: readonly string[] | null;
  /** Milliseconds for one answer. */
  readonly timeout: number;
}

interface NameServer {
  readonly host: string;
  readonly port: number;
}

/**
 * Asks one server after the other. The answer has the records asked for, or says with authority that there are none;
 * everything else rejects with words for the operator.
 */
export async function askDns(
  name: string,
  type: RecordType,
  { servers, timeout }: DnsSettings,
  signal: AbortSignal,
): Promise<DnsAnswer> {
  const listed = (servers ?? new Resolver().getServers()).map(serverOf);
  let failure = 'there is no name server';
  for (let attempt = 0; attempt < ROUNDS * listed.length; attempt++) {
    const server = listed[attempt % listed.length] as NameServer;
    try {
      const answer = await askServer(server, name, type, AbortSignal.any([signal, AbortSignal.timeout(timeout)]));
      if (answer.code === 0 || answer.code === NO_SUCH_NAME) return answer;
      failure = `name server ${server.host} ${CODES[answer.code] ?? `answers with code ${answer.code}`}`;
    } catch (error) {
      if (signal.aborted) throw error;
      const isLate = (error as Error).name === 'TimeoutError';
      failure = `name server ${server.host}: ${isLate ? `no answer within ${timeout} ms` : (error as Error).message}`;
    }
  }
  throw new Error(failure);
}

async function askServer(server: NameServer, name: string, type: RecordType, signal: AbortSignal): Promise<DnsAnswer> {
  // Nobody who does not see the question can guess its number and the port that it comes from.
  const question = encodeQuestion(randomInt(0x10000), name, type);
  if (question === null) throw new Error(`\`${name}\` cannot be a name`);
  const read = (message: Buffer): DnsAnswer | null => decodeAnswer(message, question, name, type);
  const answer = await overUdp(server, question, read, signal);
  return answer.truncated ? await overTcp(server, question, read, signal) : answer;
}

type Read = (message: Buffer) => DnsAnswer | null;

function overUdp({ host, port }: NameServer, question: Buffer, read: Read, signal: AbortSignal): Promise<DnsAnswer> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
  return settled<DnsAnswer>(signal, (resolve, reject) => {
    socket.on('error', reject);
    socket.on('message', (message) => {
      try {
        const answer = read(message);
        if (answer !== null) resolve(answer);
      } catch {
        reject(new Error('a malformed answer'));
      }
    });
    // Connected, the socket takes datagrams of this server only, and hears when nobody listens there.
    socket.connect(port, host, () => socket.send(question));
  }).finally(() => socket.close());
}

function overTcp({ host, port }: NameServer, question: Buffer, read: Read, signal: AbortSignal): Promise<DnsAnswer> {
  const socket = connect({ host, port });
  return settled<DnsAnswer>(signal, (resolve, reject) => {
    let received = Buffer.alloc(0);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the connection was closed before the answer')));
    socket.on('data', (data) => {
      received = Buffer.concat([received, data as Buffer]);
      const size = received.length < 2 ? MAX_TCP_BYTES : received.readUInt16BE(0);
      if (received.length < 2 + size) return;
      try {
        const answer = read(received.subarray(2, 2 + size));
        if (answer !== null) resolve(answer);
        else reject(new Error('the answer to another question'));
      } catch {
        reject(new Error('a malformed answer'));
      }
    });
    const size = Buffer.alloc(2);
    size.writeUInt16BE(question.length);
    socket.write(Buffer.concat([size, question]));
  }).finally(() => socket.destroy());
}

/** A promise that ends with the signal at the latest. */
function settled<T>(
  signal: AbortSignal,
  run: (resolve: (value: T) => void, reject: (reason: unknown) => void) => void,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const aborted = (): void => reject(signal.reason);
  if (signal.aborted) aborted();
  else signal.addEventListener('abort', aborted, { once: true });
  run(resolve, reject);
  return promise.finally(() => signal.removeEventListener('abort', aborted));
}

/** `10.0.0.2`, `10.0.0.2:53`, `fe80::1`, `[fe80::1]:53`. */
function serverOf(text: string): NameServer {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text);
  return { host: match?.[1] ?? match?.[2] ?? text, port: Number(match?.[3] ?? 53) };
}
