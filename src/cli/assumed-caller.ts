import { suggest } from '../base/suggest.ts';
import type { AssumedCaller } from '../compile/explain-caller.ts';

const TEXTS = ['id', 'entry', 'consumer', 'plan'] as const;
const LISTS = ['scopes', 'roles', 'groups'] as const;
const KEYS = [...TEXTS, ...LISTS, 'claims.…'] as const;

/**
 * `id=42,scopes=users:read orders:read,roles=admin,claims.tier=gold`, or the same as a JSON object. Throws words for
 * whoever typed it.
 */
export function parseCaller(text: string): AssumedCaller {
  const values = text.trimStart().startsWith('{') ? fromJson(text) : fromPairs(text);
  const list = (name: string): readonly string[] => words(values[name]);
  return {
    id: textOf(values.id) ?? 'somebody',
    entry: textOf(values.entry),
    consumer: textOf(values.consumer),
    plan: textOf(values.plan),
    scopes: list('scopes'),
    roles: list('roles'),
    groups: list('groups'),
    claims: typeof values.claims === 'object' && values.claims !== null ? { ...values.claims } : {},
  };
}

function fromJson(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error('This is not JSON.');
  }
  const values = value as Record<string, unknown>;
  for (const key of Object.keys(values)) if (key !== 'claims') known(key);
  return values;
}

function fromPairs(text: string): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  const claims: Record<string, unknown> = {};
  for (const pair of text.split(',')) {
    const equals = pair.indexOf('=');
    const key = pair.slice(0, Math.max(equals, 0)).trim();
    const value = pair.slice(equals + 1).trim();
    if (key.startsWith('claims.')) {
      claims[key.slice('claims.'.length)] = scalar(value);
      continue;
    }
    if (equals < 0) throw new Error(`A caller is written \`id=42,scopes=orders:read\`; \`${pair}\` has no \`=\`.`);
    known(key);
    values[key] = (LISTS as readonly string[]).includes(key) ? [...words(values[key]), ...words(value)] : value;
  }
  return { ...values, claims };
}

function known(key: string): void {
  if (([...TEXTS, ...LISTS] as readonly string[]).includes(key)) return;
  const near = suggest(key, KEYS);
  const remedy = near === null ? `Known are ${KEYS.join(', ')}.` : `Did you mean \`${near}\`?`;
  throw new Error(`There is no \`${key}\` of a caller. ${remedy}`);
}

function words(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.map(String);
  return typeof value === 'string' ? value.split(/\s+/).filter((word) => word !== '') : [];
}

function textOf(value: unknown): string | null {
  return value === undefined || value === null || value === '' ? null : String(value);
}

/** Claims have types: `true` and `3` are what a token would say, everything else is text. */
function scalar(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : text;
}
