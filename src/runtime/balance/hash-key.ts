import { type FieldName, fieldName } from '../../base/headers.ts';
import type { UpstreamCall } from '../../plan/call.ts';
import type { HashKey } from '../../plan/upstream.ts';
import { cookieField, cookieValue } from '../../semantics/cookie.ts';
import type { Random } from './balancer.ts';

/** What of a call decides where it goes, as 32 bits. Calls without it go anywhere. */
export class HashKeys {
  readonly #key: HashKey;
  readonly #field: FieldName | null;
  readonly #random: Random;

  constructor(key: HashKey, random: Random) {
    this.#key = key;
    this.#field = key.kind === 'header' ? fieldName(key.name) : null;
    this.#random = random;
  }

  of(call: UpstreamCall): number {
    const text = this.#text(call);
    return text === undefined || text === '' ? Math.floor(this.#random() * 0x1_0000_0000) : hashText(text);
  }

  #text(call: UpstreamCall): string | undefined {
    const key = this.#key;
    switch (key.kind) {
      case 'address':
        return call.exchange?.clientAddress;
      case 'identity':
        return call.exchange?.identity?.id ?? call.exchange?.clientAddress;
      case 'header':
        return this.#field === null ? undefined : call.headers.getAll(this.#field);
      case 'cookie': {
        const field = cookieField(call.headers);
        return field === undefined ? undefined : cookieValue(field, key.name);
      }
    }
  }
}

/** 32 bits, without a seed: every machine sends a key to the same endpoint. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x85ebca6b);
    hash ^= hash >>> 15;
  }
  return mix(hash);
}

/** The finaliser of MurmurHash3: every bit of the input changes every bit of the output, half of the time. */
export function mix(hash: number): number {
  let mixed = hash;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
