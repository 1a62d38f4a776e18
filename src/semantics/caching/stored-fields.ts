import { fieldName, HeaderBlock, hashByte } from '../../base/headers.ts';
import { fieldNames } from './directive-list.ts';
import { formatHttpDate } from './http-date.ts';
import type { CacheRules } from './policy.ts';
import { responseDirectives } from './response-directives.ts';

const connection = fieldName('connection');
const date = fieldName('date');
const setCookie = fieldName('set-cookie');

/** Of one connection, or of one hop to a proxy (RFC 9111, 3.1), or made anew for each answer. */
const neverStored: readonly string[] = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'age',
];
const withheldAlways = neverStored.map(fieldName);

/**
 * The fields that are stored (RFC 9111, 3.1): without those of the connection, `Age`, what `private=` and `no-cache=`
 * withhold, and Set-Cookie where the rules say so; with a Date (RFC 9110, 6.6.1).
 */
export function storedFields(headers: HeaderBlock, rules: CacheRules, responseTime: number): HeaderBlock {
  const withheld = new Set(neverStored);
  const options = headers.getAll(connection);
  if (options !== undefined) for (const name of fieldNames(options)) withheld.add(name);
  for (const name of responseDirectives(headers, rules.targets, rules.name).withheldFields) withheld.add(name);
  if (rules.setCookie === 'strip') withheld.add(setCookie.lower);
  const kept = new HeaderBlock();
  headers.forEach((name, value) => {
    if (!withheld.has(name)) kept.add(fieldName(name), value);
  });
  if (!kept.has(date)) kept.add(date, formatHttpDate(responseTime));
  return kept;
}

/** What a stored section has lines of, and nothing else: it may come from a store that others write to. */
const LINES = /^(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\r\n\0]*\r\n)*$/;

/** A section from lines as `HeaderBlock.serialize` writes them; null: it is none that could have been stored. */
export function readFields(lines: string): HeaderBlock | null {
  if (!LINES.test(lines)) return null;
  const block = new HeaderBlock();
  block.reset(lines);
  for (let start = 0; start < lines.length; ) {
    const end = lines.indexOf('\r\n', start);
    const colon = lines.indexOf(':', start);
    let hash = 0;
    for (let i = start; i < colon; i++) hash = hashByte(hash, lines.charCodeAt(i));
    let valueStart = colon + 1;
    while (isSpace(lines.charCodeAt(valueStart))) valueStart++;
    let valueEnd = end;
    while (valueEnd > valueStart && isSpace(lines.charCodeAt(valueEnd - 1))) valueEnd--;
    block.receive(hash, start, colon, valueStart, valueEnd, false);
    start = end + 2;
  }
  return withheldAlways.some((name) => block.has(name)) ? null : block;
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
