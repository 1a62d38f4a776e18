import type { SupervisionReport } from '../supervisor/supervision.ts';
import { table } from './table.ts';

/** Longer lists (of key ids, say) are for `--json`. */
const MAX_ITEMS = 4;

/** What the main thread keeps for the entries of `auth` and policies, one line each; empty when there is nothing. */
export function renderSupervision(reports: readonly SupervisionReport[]): string {
  const rows = reports.flatMap(({ module, name, state }) =>
    (Array.isArray(state) ? state : [state]).map((each: unknown) => [name, module, ...factsOf(each)]),
  );
  return rows.length === 0 ? '' : table(['kept up to date', 'kind', 'state', ''], rows);
}

function factsOf(state: unknown): [trouble: string, facts: string] {
  if (typeof state !== 'object' || state === null) return ['', textOf(state)];
  const { failure = null, ...facts } = state as Record<string, unknown>;
  const shown = Object.entries(facts).filter(([, value]) => !isNothing(value));
  const text = shown.map(factOf).join(', ');
  return [failure === null ? 'good' : `failing: ${textOf(failure)}`, text];
}

function factOf([key, value]: [string, unknown]): string {
  return value === true ? words(key) : `${words(key)} ${textOf(value)}`;
}

function isNothing(value: unknown): boolean {
  if (typeof value === 'object' && value !== null)
    return Object.values(value).every((each) => each === 0 || isNothing(each));
  return value === null || value === undefined || value === false;
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) {
    const items = value.slice(0, MAX_ITEMS).map(textOf);
    return value.length > MAX_ITEMS ? `${items.join(' ')} and ${value.length - MAX_ITEMS} more` : items.join(' ');
  }
  if (typeof value !== 'object' || value === null) return String(value);
  const known = Object.entries(value).filter(([, each]) => each !== 0 && !isNothing(each));
  return `(${known.map(factOf).join(', ')})`;
}

/** `nextRefresh` → `next refresh`. */
function words(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
