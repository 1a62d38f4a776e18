import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';

/** A name server that says what a test tells it to. */

export interface DnsRecord {
  readonly type: 'A' | 'AAAA' | 'SRV' | 'CNAME' | 'SOA';
  readonly ttl: number;
  /** An address; `priority weight port target`; a name; the minimum. */
  readonly value: string;
  /** The name asked for, unless told. */
  readonly owner?: string;
}

export interface DnsReply {
  readonly code?: number;
  readonly answers?: readonly DnsRecord[];
  readonly authority?: readonly DnsRecord[];
  readonly additional?: readonly DnsRecord[];
  /** Over UDP only the news that it did not fit. */
  readonly truncate?: boolean;
  /** Sent before the answer. */
  readonly forged?: Buffer;
}

/** By `TYPE name`; null: no answer. */
export type DnsZone = (question: string) => DnsReply | null;

const TYPES = { A: 1, CNAME: 5, SOA: 6, AAAA: 28, SRV: 33 } as const;

export class DnsServer implements AsyncDisposable {
  zone: DnsZone;
  readonly questions: string[] = [];
  readonly #udp: UdpSocket;
  readonly #tcp: Server;

  private constructor(zone: DnsZone) {
    this.zone = zone;
    this.#udp = createSocket('udp4');
    this.#tcp = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', (data) => {
        const answer = this.#answer((data as Buffer).subarray(2), true);
        if (answer === null) return;
        const size = Buffer.alloc(2);
        size.writeUInt16BE(answer.length);
        socket.end(Buffer.concat([size, answer]));
      });
    });
    this.#udp.on('message', (message, from: RemoteInfo) => {
      const answer = this.#answer(message, false);
      if (answer === null) return;
      const { forged } = this.#reply(questionOf(message).text) ?? {};
      if (forged !== undefined) this.#udp.send(forged, from.port, from.address);
      this.#udp.send(answer, from.port, from.address);
    });
  }

  /** UDP and TCP have to have the same port, and somebody else may have one of them. */
  static async start(zone: DnsZone): Promise<DnsServer> {
    for (let attempt = 0; ; attempt++) {
      const server = new DnsServer(zone);
      try {
        server.#tcp.listen(0, '127.0.0.1');
        await once(server.#tcp, 'listening');
        server.#udp.bind(server.tcpPort, '127.0.0.1');
        await once(server.#udp, 'listening');
        return server;
      } catch (error) {
        await server[Symbol.asyncDispose]();
        if (attempt === 10) throw error;
      }
    }
  }

  get address(): string {
    return `127.0.0.1:${this.tcpPort}`;
  }

  get tcpPort(): number {
    return (this.#tcp.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#udp.close();
    this.#tcp.close();
    await once(this.#tcp, 'close');
  }

  #reply(question: string): DnsReply | null {
    return this.zone(question);
  }

  #answer(message: Buffer, whole: boolean): Buffer | null {
    const { text, name, end } = questionOf(message);
    this.questions.push(text);
    const reply = this.#reply(text);
    if (reply === null) return null;
    const { code = 0, answers = [], authority = [], additional = [], truncate = false } = reply;
    const cut = truncate && !whole;
    const head = Buffer.alloc(12);
    message.copy(head, 0, 0, 2);
    head.writeUInt16BE(0x8180 | code | (cut ? 0x0200 : 0), 2);
    head.writeUInt16BE(1, 4);
    const sections = cut ? [[], [], []] : [answers, authority, additional];
    for (const [index, { length }] of sections.entries()) head.writeUInt16BE(length, 6 + 2 * index);
    return Buffer.concat([head, message.subarray(12, end), ...sections.flat().map((record) => encode(record, name))]);
  }
}

function questionOf(message: Buffer): { text: string; name: string; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let size = message[at] as number; size > 0; size = message[at] as number) {
    labels.push(message.toString('latin1', at + 1, at + 1 + size));
    at += 1 + size;
  }
  const type = Object.entries(TYPES).find(([, number]) => number === message.readUInt16BE(at + 1))?.[0];
  return { text: `${type} ${labels.join('.')}`, name: labels.join('.'), end: at + 5 };
}

function encode({ type, ttl, value, owner }: DnsRecord, asked: string): Buffer {
  // The usual compression: the owner is the name in the question.
  const name = owner === undefined || owner === asked ? Buffer.from([0xc0, 12]) : encodeName(owner);
  const data = encodeData(type, value);
  const head = Buffer.alloc(10);
  head.writeUInt16BE(TYPES[type], 0);
  head.writeUInt16BE(1, 2);
  head.writeUInt32BE(ttl, 4);
  head.writeUInt16BE(data.length, 8);
  return Buffer.concat([name, head, data]);
}

function encodeData(type: DnsRecord['type'], value: string): Buffer {
  if (type === 'A') return Buffer.from(value.split('.').map(Number));
  if (type === 'CNAME') return encodeName(value);
  if (type === 'AAAA') return encodeIpv6(value);
  if (type === 'SOA') {
    const numbers = Buffer.alloc(20);
    numbers.writeUInt32BE(Number(value), 16);
    return Buffer.concat([encodeName('ns.test'), encodeName('admin.test'), numbers]);
  }
  const [priority = '0', weight = '0', port = '0', target = ''] = value.split(' ');
  const numbers = Buffer.alloc(6);
  for (const [index, number] of [priority, weight, port].entries()) numbers.writeUInt16BE(Number(number), 2 * index);
  return Buffer.concat([numbers, encodeName(target)]);
}

function encodeIpv6(address: string): Buffer {
  const [before = '', after] = address.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [first, last] = [groups(before), groups(after ?? '')];
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => '0');
  const bytes = Buffer.alloc(16);
  for (const [index, group] of [...first, ...zeros, ...last].entries())
    bytes.writeUInt16BE(Number.parseInt(group, 16), 2 * index);
  return bytes;
}

function encodeName(name: string): Buffer {
  const labels = name === '' || name === '.' ? [] : name.split('.');
  return Buffer.from(`${labels.map((label) => String.fromCharCode(label.length) + label).join('')}\0`, 'latin1');
}
