import { fieldName, type HeaderBlock } from '../../base/headers.ts';
import type { Framing } from '../../plan/call.ts';
import type { StoredPolicy } from '../../semantics/caching/policy.ts';
import { readFields } from '../../semantics/caching/stored-fields.ts';
import { selectingFields } from '../../semantics/caching/vary.ts';

/**
 * What a store keeps beside a body, as bytes that it does not look into: numbers at fixed places, then text.
 *
 * - `response`: a head, and what decides about it later
 * - `variants`: a response exists in several variants; its fields and its generation are part of their keys, so that
 *   without it none of them is found any more
 * - `failure`: the service failed when it was last asked; for those who waited
 */
export type StoredKind = 'response' | 'variants' | 'failure';
const kinds: readonly StoredKind[] = ['response', 'variants', 'failure'];

/** Another layout gets another number: what machines of another version share is then nothing. */
const LAYOUT = 0x534c4331;
const AT = { layout: 0, kind: 4, flags: 5, status: 6, id: 8, numbers: 16, lengths: 80, text: 86 } as const;
const MAX_TEXT = 0xffff;
const flag = { heuristic: 1, mustValidate: 2, forbidsStale: 4 } as const;

const contentLength = fieldName('content-length');

export interface StoredHead {
  readonly kind: StoredKind;
  /** Random: no two heads have the same, so that what was made of one can be kept for the next hit. */
  readonly id: bigint;
  readonly policy: StoredPolicy;
  /** Of `variants`: see there. */
  readonly generation: string;
  /** Those by which `variants` are told apart. */
  readonly selecting: ReturnType<typeof selectingFields>;
  /** Milliseconds that it took to get it: what a refresh will take. */
  readonly fetchTime: number;
  /** Of a response, with the Content-Length of its body. Not to be changed. */
  readonly fields: HeaderBlock;
  /** The code of a failure. */
  readonly code: string;
  readonly framing: Framing;
}

const noPolicy: StoredPolicy = {
  status: 0,
  responseTime: 0,
  initialAge: 0,
  lifetime: 0,
  isHeuristic: false,
  staleWhileRevalidate: 0,
  staleIfError: 0,
  mustValidate: false,
  forbidsStale: false,
  etag: '',
  lastModified: '',
  lastModifiedTime: -1,
  date: 0,
  vary: '',
};

/** Null: its validators or selecting fields are longer than anything that makes sense. */
export function encodeResponse(policy: StoredPolicy, fields: HeaderBlock, fetchTime: number): Buffer | null {
  return encode('response', policy, fetchTime, fields.serialize());
}

/** With a known generation, variants of it that are there stay. */
export function encodeVariants(vary: string, now: number, generation = newGeneration()): Buffer | null {
  return encode('variants', { ...noPolicy, vary, responseTime: now }, 0, generation);
}

export function encodeFailure(code: string, now: number): Buffer | null {
  return encode('failure', { ...noPolicy, responseTime: now }, 0, code);
}

function encode(kind: StoredKind, policy: StoredPolicy, fetchTime: number, text: string): Buffer | null {
  const { etag, lastModified, vary } = policy;
  if (etag.length > MAX_TEXT || lastModified.length > MAX_TEXT || vary.length > MAX_TEXT) return null;
  const all = etag + lastModified + vary + text;
  const bytes = Buffer.allocUnsafe(AT.text + all.length);
  bytes.writeUInt32LE(LAYOUT, AT.layout);
  bytes[AT.kind] = kinds.indexOf(kind);
  bytes[AT.flags] =
    (policy.isHeuristic ? flag.heuristic : 0) |
    (policy.mustValidate ? flag.mustValidate : 0) |
    (policy.forbidsStale ? flag.forbidsStale : 0);
  bytes.writeUInt16LE(policy.status, AT.status);
  bytes.writeUInt32LE(random(), AT.id);
  bytes.writeUInt32LE(random(), AT.id + 4);
  const numbers = [
    policy.responseTime,
    policy.initialAge,
    policy.lifetime,
    policy.staleWhileRevalidate,
    policy.staleIfError,
    policy.lastModifiedTime,
    policy.date,
    fetchTime,
  ];
  for (const [index, number] of numbers.entries()) bytes.writeDoubleLE(number, AT.numbers + 8 * index);
  bytes.writeUInt16LE(etag.length, AT.lengths);
  bytes.writeUInt16LE(lastModified.length, AT.lengths + 2);
  bytes.writeUInt16LE(vary.length, AT.lengths + 4);
  bytes.latin1Write(all, AT.text);
  return bytes;
}

function newGeneration(): string {
  return random().toString(36) + random().toString(36);
}

function random(): number {
  return Math.floor(Math.random() * 0x1_0000_0000);
}

/** Null: not written by this version, or not as it was written. */
export function decodeHead(meta: Buffer, bodyLength: number): StoredHead | null {
  if (meta.length < AT.text || meta.readUInt32LE(AT.layout) !== LAYOUT) return null;
  const kind = kinds[meta[AT.kind] as number];
  if (kind === undefined) return null;
  const flags = meta[AT.flags] as number;
  const number = (index: number): number => meta.readDoubleLE(AT.numbers + 8 * index);
  const etagEnd = AT.text + meta.readUInt16LE(AT.lengths);
  const modifiedEnd = etagEnd + meta.readUInt16LE(AT.lengths + 2);
  const varyEnd = modifiedEnd + meta.readUInt16LE(AT.lengths + 4);
  if (varyEnd > meta.length) return null;
  const id = meta.readBigUInt64LE(AT.id);
  const text = meta.latin1Slice(varyEnd, meta.length);
  const status = meta.readUInt16LE(AT.status);
  const policy: StoredPolicy = {
    status,
    responseTime: number(0),
    initialAge: number(1),
    lifetime: number(2),
    isHeuristic: (flags & flag.heuristic) !== 0,
    staleWhileRevalidate: number(3),
    staleIfError: number(4),
    mustValidate: (flags & flag.mustValidate) !== 0,
    forbidsStale: (flags & flag.forbidsStale) !== 0,
    etag: meta.latin1Slice(AT.text, etagEnd),
    lastModified: meta.latin1Slice(etagEnd, modifiedEnd),
    lastModifiedTime: number(5),
    date: number(6),
    vary: meta.latin1Slice(modifiedEnd, varyEnd),
  };
  const fields = readFields(kind === 'response' ? text : '');
  if (fields === null || (kind === 'response' && (status < 200 || status > 999))) return null;
  // RFC 9110, 8.6 and 15.3.5
  const framing = status === 204 || status === 304 ? 'none' : bodyLength < 0 ? 'chunked' : 'length';
  if (kind === 'response') {
    if (framing !== 'length') fields.remove(contentLength);
    else if (fields.getAll(contentLength) !== String(bodyLength)) fields.set(contentLength, String(bodyLength));
  }
  return {
    kind,
    id,
    policy,
    generation: kind === 'variants' ? text : '',
    selecting: kind === 'variants' ? selectingFields(policy.vary) : [],
    fetchTime: number(7),
    fields,
    code: kind === 'failure' ? text : '',
    framing,
  };
}

/** Heads that were decoded, by their ids: a power of two. */
const KEPT = 4096;

/** Decodes a head once in each worker, as long as it is asked for now and then. */
export class StoredHeads {
  readonly #kept: (StoredHead | null)[] = new Array(KEPT).fill(null);
  readonly #lows = new Uint32Array(KEPT);
  readonly #highs = new Uint32Array(KEPT);

  of(meta: Buffer, bodyLength: number): StoredHead | null {
    if (meta.length < AT.text) return null;
    const low = meta.readUInt32LE(AT.id);
    const high = meta.readUInt32LE(AT.id + 4);
    const at = low & (KEPT - 1);
    const kept = this.#kept[at] as StoredHead | null;
    if (kept !== null && this.#lows[at] === low && this.#highs[at] === high) return kept;
    const head = decodeHead(meta, bodyLength);
    if (head === null) return null;
    this.#kept[at] = head;
    this.#lows[at] = low;
    this.#highs[at] = high;
    return head;
  }
}
