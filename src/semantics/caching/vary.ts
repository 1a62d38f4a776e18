import { type FieldName, fieldName, type HeaderBlock } from '../../base/headers.ts';
import { fieldNames } from './directive-list.ts';
import { normalPreferences, reducedCodings, reducedLanguages } from './preferences.ts';

const varyField = fieldName('vary');

/** How selecting fields are told apart; made once, at load. */
export interface VaryRules {
  /** Codings that the upstream may answer with: Accept-Encoding is reduced to those that the client takes. Null: as it is. */
  readonly codings: readonly string[] | null;
  /** Languages that there are: Accept-Language is reduced to the best of them. Null: as it is. */
  readonly languages: readonly string[] | null;
  /** Names in lower case that a response's Vary lists and that do not tell variants apart here; null: none. */
  readonly ignored: ReadonlySet<string> | null;
}

/** Names in lower case, sorted, without doubles, joined by `,`; `*`: no other request matches (RFC 9111, 4.1). */
export function varyNames(response: HeaderBlock, rules: VaryRules): string {
  const text = response.getAll(varyField);
  if (text === undefined) return '';
  const names = new Set<string>();
  for (const name of fieldNames(text)) {
    if (name === '*') return '*';
    if (!rules.ignored?.has(name)) names.add(name);
  }
  return names.size < 2 ? [...names].join() : [...names].sort().join();
}

/** The names of `StoredPolicy.vary`, prepared. */
export function selectingFields(vary: string): readonly FieldName[] {
  return vary === '' ? [] : vary.split(',').map(fieldName);
}

/**
 * What tells this request from others for a response that varies by these fields: with the same text the stored response
 * matches (RFC 9111, 4.1). One line a field, of what no value can hold a line feed.
 */
export function variantText(fields: readonly FieldName[], request: HeaderBlock, rules: VaryRules): string {
  let text = '';
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i] as FieldName;
    const value = request.getAll(field);
    // Absent is not the same as empty.
    text += value === undefined ? `${field.lower}\n` : `${field.lower}:${normalValue(field.lower, value, rules)}\n`;
  }
  return text;
}

/** The same text for values that mean the same, as far as that is known of the field. */
function normalValue(name: string, value: string, rules: VaryRules): string {
  switch (name) {
    case 'accept-encoding':
      return rules.codings === null ? normalPreferences(value, true) : reducedCodings(value, rules.codings);
    case 'accept-language':
      return rules.languages === null ? normalPreferences(value, true) : reducedLanguages(value, rules.languages);
    case 'accept-charset':
      return normalPreferences(value, true);
    case 'accept':
      return normalPreferences(value, false);
    // White space is part of these.
    case 'cookie':
    case 'authorization':
      return value;
    default:
      return value.includes(',') ? withoutListSpace(value) : value;
  }
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;

/** RFC 9110, 5.6.1: white space around the commas of a list means nothing. In quoted strings it does. */
function withoutListSpace(value: string): string {
  let text = '';
  let isQuoted = false;
  let start = 0;
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at);
    if (isQuoted && code === BACKSLASH) at++;
    else if (code === QUOTE) isQuoted = !isQuoted;
    else if (code === COMMA && !isQuoted) {
      text += `${trimmed(value, start, at)},`;
      start = at + 1;
    }
  }
  return text + trimmed(value, start, value.length);
}

function trimmed(value: string, from: number, to: number): string {
  let [start, end] = [from, to];
  while (start < end && isSpace(value.charCodeAt(start))) start++;
  while (end > start && isSpace(value.charCodeAt(end - 1))) end--;
  return value.slice(start, end);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
