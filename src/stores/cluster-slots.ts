import type { RespError, RespReply } from './resp.ts';
import type { RedisServer } from './settings.ts';

export const CLUSTER_SLOTS = 16_384;

/** CRC-16/XMODEM, as the cluster specification has it. */
const table = new Uint16Array(256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  table[byte] = crc;
}

/** The slot of a key in ASCII: of what stands in its first braces, if there is something. */
export function slotOfKey(key: string): number {
  let from = key.indexOf('{') + 1;
  let to = from === 0 ? -1 : key.indexOf('}', from);
  if (to <= from) {
    from = 0;
    to = key.length;
  }
  let crc = 0;
  for (let at = from; at < to; at++) {
    crc = ((crc << 8) & 0xffff) ^ (table[((crc >> 8) ^ key.charCodeAt(at)) & 0xff] as number);
  }
  return crc % CLUSTER_SLOTS;
}

export interface SlotRange {
  readonly first: number;
  readonly last: number;
  readonly server: RedisServer;
}

/** The answer to `CLUSTER SLOTS`: [first, last, [host, port, …] of the master, replicas …]. Null: it makes no sense. */
export function readSlots(reply: RespReply, asked: RedisServer): SlotRange[] | null {
  if (!Array.isArray(reply)) return null;
  const ranges: SlotRange[] = [];
  for (const entry of reply) {
    const [first, last, master] = Array.isArray(entry) ? entry : [];
    const [host, port] = Array.isArray(master) ? master : [];
    if (typeof first !== 'number' || typeof last !== 'number' || typeof port !== 'number') return null;
    if (first < 0 || last < first || last >= CLUSTER_SLOTS || port < 1 || port > 65_535) return null;
    // No host, or an empty one: the server does not know its own name, but we do.
    const known = typeof host === 'string' && host !== '' && host !== '?' ? host : asked.host;
    ranges.push({ first, last, server: { host: known, port, path: null } });
  }
  return ranges;
}

export interface Redirection {
  readonly isAsk: boolean;
  readonly slot: number;
  readonly server: RedisServer;
}

/** `MOVED slot host:port` or `ASK slot host:port`; an empty host means the one that was asked. */
export function readRedirection({ text }: RespError, asked: RedisServer): Redirection | null {
  const match = /^(MOVED|ASK) (\d{1,5}) (.*):(\d{1,5})$/.exec(text);
  if (match === null || Number(match[2]) >= CLUSTER_SLOTS) return null;
  const server: RedisServer = { host: match[3] || asked.host, port: Number(match[4]), path: null };
  return { isAsk: match[1] === 'ASK', slot: Number(match[2]), server };
}
