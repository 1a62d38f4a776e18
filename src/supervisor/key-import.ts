import { hashOf, type KeyRecord, type Pepper } from '../policies/auth/api-key/key-record.ts';
import { makeKey } from '../semantics/api-key.ts';
import type { KeyDirectory } from './key-directory.ts';
import { type ImportedKey, importedKey, KeyDeskError, problemsOf, type RequestProblem } from './key-requests.ts';

export interface ImportPlan {
  /** What is to be written, by id. */
  readonly fresh: ReadonlyMap<string, KeyRecord>;
  /** How many are there already. */
  readonly skipped: number;
}

/** Throws `KeyDeskError` with everything that is wrong: of a file, all keys are imported or none. */
export function planImport(
  rows: readonly unknown[],
  present: ReadonlyMap<string, KeyRecord>,
  pepper: Pepper,
  directory: KeyDirectory,
): ImportPlan {
  const fresh = new Map<string, KeyRecord>();
  const owners = new Map([...present.values()].map((record) => [placeOf(record), record.consumer]));
  const presentPlaces = new Set(owners.keys());
  const problems: RequestProblem[] = [];
  let skipped = 0;
  for (const [index, row] of rows.entries()) {
    const checked = importedKey.safeParse(row);
    if (!checked.success) {
      problems.push(...problemsOf(checked.error, lineOf(row, index)));
      continue;
    }
    const line = checked.data.line ?? index + 1;
    try {
      const record = recordOf(checked.data, pepper, directory);
      const place = placeOf(record);
      const owner = owners.get(place);
      if (owner !== undefined && owner !== record.consumer)
        throw taken('this key is there already, of another consumer');
      if (presentPlaces.has(place)) {
        skipped += 1;
        continue;
      }
      if (owner !== undefined) throw taken('this key is in the file twice');
      const id = checked.data.id ?? makeKey().id;
      if (present.has(id) || fresh.has(id)) throw taken('this id belongs to another key');
      owners.set(place, record.consumer);
      fresh.set(id, record);
    } catch (error) {
      if (!(error instanceof KeyDeskError)) throw error;
      problems.push({ line, message: error.message });
    }
  }
  if (problems.length > 0) throw new KeyDeskError('invalid', 'nothing of this was imported', problems);
  return { fresh, skipped };
}

function recordOf(row: ImportedKey, pepper: Pepper, directory: KeyDirectory): KeyRecord {
  const { key, consumer, auth, plan = null, expires = null, name = null, scopes, enabled } = row;
  return {
    entry: directory.resolve(auth, consumer, plan),
    prefix: '',
    hash: hashOf(key, pepper),
    consumer,
    plan,
    scopes,
    enabled,
    createdAt: Date.now(),
    expiresAt: expires,
    revokedAt: null,
    name,
  };
}

/** One key may be good for several entries, and is then a record for each. */
function placeOf({ entry, hash }: KeyRecord): string {
  return `${hash} ${entry}`;
}

function taken(message: string): KeyDeskError {
  return new KeyDeskError('invalid', message);
}

function lineOf(row: unknown, index: number): number {
  const line = typeof row === 'object' && row !== null && 'line' in row ? row.line : null;
  return typeof line === 'number' ? line : index + 1;
}
