import { type FieldName, fieldName, type HeaderBlock } from '../../base/headers.ts';
import { forEachDirective } from './directive-list.ts';
import { noDirectives, type ResponseDirectives, takeDirective } from './directives.ts';
import { type MemberValue, parseDictionary } from './structured-dictionary.ts';
import { surrogateDirectives } from './surrogate-control.ts';

const cacheControl = fieldName('cache-control');
const surrogateControl = fieldName('surrogate-control');

/**
 * What the response says, by the first of the targeted fields that is there, valid and not empty, else by Cache-Control
 * (RFC 9213, 2.2). `device`: what this cache calls itself in Surrogate-Control.
 */
export function responseDirectives(
  headers: HeaderBlock,
  targets: readonly FieldName[],
  device: string,
): ResponseDirectives {
  for (let i = 0; i < targets.length; i++) {
    const target = targets[i] as FieldName;
    const text = headers.getAll(target);
    if (text === undefined) continue;
    const targeted =
      target.lower === surrogateControl.lower ? surrogateDirectives(text, device) : targetedDirectives(text);
    if (targeted !== null) return targeted;
  }
  const text = headers.getAll(cacheControl);
  const directives = noDirectives();
  if (text !== undefined) forEachDirective(text, directives, takeDirective);
  return directives;
}

/** Null: it does not parse, or is empty, and counts as absent (RFC 9213, 2.1). */
function targetedDirectives(text: string): ResponseDirectives | null {
  const members = parseDictionary(text);
  if (members === null || members.size === 0) return null;
  const directives = noDirectives();
  directives.isTargeted = true;
  for (const [name, value] of members) {
    // `?0` says that a directive does not apply.
    if (value.kind === 'boolean' && !value.isTrue) continue;
    takeDirective(directives, name, memberArgument(value));
  }
  return directives;
}

function memberArgument(value: MemberValue): string | undefined {
  if (value.kind === 'boolean') return undefined;
  if (value.kind === 'integer') return String(value.number);
  // A value of a type that the directive does not take: for a number that is no number, else it is as good as none.
  return value.kind === 'string' || value.kind === 'token' ? value.text : '';
}
