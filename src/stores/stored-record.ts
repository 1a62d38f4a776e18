import type { RecordValue } from '../plan/records.ts';

export interface StoredRecord {
  readonly value: RecordValue;
  readonly expiresAt: number | null;
}

/** Null: it is no record of ours. */
export function readRecord(text: string): StoredRecord | null {
  try {
    return recordOf(JSON.parse(text));
  } catch {
    return null;
  }
}

export function recordOf(parsed: unknown): StoredRecord | null {
  if (!isObject(parsed)) return null;
  const { value, expiresAt = null } = parsed;
  if (!isObject(value) || !(expiresAt === null || Number.isFinite(expiresAt))) return null;
  return { value, expiresAt: expiresAt as number | null };
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function hasExpired({ expiresAt }: StoredRecord, now: number): boolean {
  return expiresAt !== null && expiresAt <= now;
}

/** Those that are good now. */
export function valuesOf(records: Iterable<readonly [string, StoredRecord]>): Map<string, RecordValue> {
  const now = Date.now();
  const values = new Map<string, RecordValue>();
  for (const [id, record] of records) if (!hasExpired(record, now)) values.set(id, record.value);
  return values;
}
