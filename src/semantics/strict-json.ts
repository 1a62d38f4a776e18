import { isUtf8 } from 'node:buffer';

/**
 * JSON that has one meaning for every reader: UTF-8, no member named twice, no number or text that others would read
 * differently (RFC 7493), and a bound on its depth. Attackers live on what two parsers read in two ways.
 */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: JsonValue;
}

/** What the bytes say, frozen; undefined: they are not strict JSON. The caller bounds their number. */
export function parseStrictJson(bytes: Buffer, maxDepth: number): JsonValue | undefined {
  if (!isUtf8(bytes)) return undefined;
  const text = bytes.toString('utf8');
  const members = countNamed(text, maxDepth);
  if (members < 0) return undefined;
  try {
    const value = JSON.parse(text) as JsonValue;
    // The engine's parser keeps the last of several members of one name: then there are fewer than were named.
    return freezeAndCount(value) === members ? value : undefined;
  } catch {
    return undefined;
  }
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** How many members the text names: one for each colon outside of strings. -1: it is too deep, or a string has no end. */
function countNamed(text: string, maxDepth: number): number {
  let members = 0;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22: // "
        i = endOfString(text, i + 1);
        if (i < 0) return -1;
        break;
      case 0x3a: // :
        members++;
        break;
      case 0x5b: // [
      case 0x7b: // {
        if (++depth > maxDepth) return -1;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
        break;
    }
  }
  return members;
}

function endOfString(text: string, start: number): number {
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) return i;
    if (code === 0x5c) i++;
  }
  return -1;
}

/** How many members there are; NaN, which equals no count, for half a surrogate pair and for numbers beyond all bounds. */
function freezeAndCount(value: JsonValue): number {
  if (typeof value === 'string') return value.isWellFormed() ? 0 : Number.NaN;
  if (typeof value === 'number') return Number.isFinite(value) ? 0 : Number.NaN;
  if (typeof value !== 'object' || value === null) return 0;
  let members = 0;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) members += freezeAndCount(value[i] as JsonValue);
  } else {
    const object = value as JsonObject;
    const names = Object.keys(object);
    members = names.length;
    for (let i = 0; i < names.length; i++) {
      const name = names[i] as string;
      if (!name.isWellFormed()) return Number.NaN;
      members += freezeAndCount(object[name] as JsonValue);
    }
  }
  Object.freeze(value);
  return members;
}
