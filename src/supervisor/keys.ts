import type { Records } from '../plan/records.ts';
import { hashOf, KEYS_COLLECTION, type KeyRecord, readKeyRecord } from '../policies/auth/api-key/key-record.ts';
import { type Peppers, peppersOf } from '../policies/auth/api-key/peppers.ts';
import { keyDigest, keyId, makeKey, visiblePart } from '../semantics/api-key.ts';
import { Exclusive } from './exclusive.ts';
import type { KeyDirectory } from './key-directory.ts';
import { planImport } from './key-import.ts';
import { createRequest, importRequest, KeyDeskError, readRequest, rotateRequest } from './key-requests.ts';
import { type KeyView, viewOf } from './key-view.ts';

/** Ended keys can still be looked up for a while, and their holders are told so instead of "unknown". */
const KEEP_ENDED_MS = 30 * 24 * 3_600_000;

/** With the key itself: it is kept nowhere, and cannot be shown again. */
export interface NewKey extends KeyView {
  readonly key: string;
}

export interface RotatedKey extends NewKey {
  readonly replaces: KeyView;
}

export interface ImportOutcome {
  readonly imported: number;
  /** They were there already. */
  readonly skipped: number;
}

export interface KeyDeskOptions {
  readonly records: Records;
  readonly stateDirectory: string | null;
  /** Of the configuration in service. */
  directory(): KeyDirectory;
}

type KeyFacts = Pick<KeyRecord, 'entry' | 'consumer' | 'plan' | 'scopes' | 'name' | 'expiresAt'>;

/**
 * Stored API keys in the hands of operators. Requests are JSON as it came (`key-requests.ts`). Everything rejects with
 * `KeyDeskError` for what the operator can mend, and with `RecordsError` when the store cannot be used.
 */
export class KeyDesk {
  readonly #records: Records;
  readonly #peppers: Peppers;
  readonly #directory: () => KeyDirectory;
  /** Changes read before they write. */
  readonly #exclusive = new Exclusive();

  constructor({ records, stateDirectory, directory }: KeyDeskOptions) {
    this.#records = records;
    this.#peppers = peppersOf(records, stateDirectory);
    this.#directory = directory;
  }

  /** Newest first, those that have ended for some weeks too. */
  async list(): Promise<KeyView[]> {
    const keys = [...(await this.#all())].sort(([, one], [, other]) => other.createdAt - one.createdAt);
    const directory = this.#directory();
    return keys.map(([id, record]) => viewOf(id, record, directory));
  }

  create(request: unknown): Promise<NewKey> {
    return this.#exclusive.run(async () => {
      const { consumer, auth, plan = null, expires = null, name = null, scopes } = readRequest(createRequest, request);
      const entry = this.#directory().resolve(auth, consumer, plan);
      return await this.#make({ entry, consumer, plan, scopes, name, expiresAt: expires }, await this.#all());
    });
  }

  /** The successor of a key, which itself stays good for `grace`. */
  rotate(id: string, request: unknown): Promise<RotatedKey> {
    return this.#exclusive.run(async () => {
      const { grace, expires } = readRequest(rotateRequest, request);
      const keys = await this.#all();
      const [ownId, old] = find(keys, id);
      const { state } = viewOf(ownId, old, this.#directory());
      if (state !== 'active')
        throw new KeyDeskError('conflict', `this key is not in use (${state}): create another one`);
      const now = Date.now();
      const { entry, consumer, plan, scopes, name, createdAt, expiresAt } = old;
      const sameLife = expiresAt === null ? null : now + (expiresAt - createdAt);
      const made = await this.#make({ entry, consumer, plan, scopes, name, expiresAt: expires ?? sameLife }, keys);
      const replaced = { ...old, expiresAt: Math.min(expiresAt ?? Number.POSITIVE_INFINITY, now + grace) };
      try {
        await this.#put(ownId, replaced);
      } catch (error) {
        // Nobody gets to see the new one, so it must not stay.
        await this.#records.remove(KEYS_COLLECTION, made.id).catch(() => false);
        throw error;
      }
      return { ...made, replaces: viewOf(ownId, replaced, this.#directory()) };
    });
  }

  /** For good. */
  revoke(id: string): Promise<KeyView> {
    return this.#change(id, (record) => ({ ...record, enabled: false, revokedAt: record.revokedAt ?? Date.now() }));
  }

  disable(id: string): Promise<KeyView> {
    return this.#change(id, (record) => ({ ...record, enabled: false }));
  }

  enable(id: string): Promise<KeyView> {
    return this.#change(id, (record) => {
      if (record.revokedAt === null) return { ...record, enabled: true };
      throw new KeyDeskError('conflict', 'this key was revoked for good: create another one');
    });
  }

  /** All or none; those that are there already are skipped, so that it can be done again after a failure. */
  import(request: unknown): Promise<ImportOutcome> {
    return this.#exclusive.run(async () => {
      const { keys } = readRequest(importRequest, request);
      const pepper = await this.#peppers.obtain();
      const { fresh, skipped } = planImport(keys, await this.#all(), pepper, this.#directory());
      for (const [id, record] of fresh) await this.#put(id, record);
      return { imported: fresh.size, skipped };
    });
  }

  async #make(facts: KeyFacts, present: ReadonlyMap<string, KeyRecord>): Promise<NewKey> {
    const pepper = await this.#peppers.obtain();
    let made = makeKey();
    while (present.has(made.id)) made = makeKey();
    const { id, key } = made;
    const hash = hashOf(keyDigest(key), pepper);
    const times = { createdAt: Date.now(), revokedAt: null };
    const record: KeyRecord = { ...facts, ...times, prefix: visiblePart(id), hash, enabled: true };
    await this.#put(id, record);
    return { ...viewOf(id, record, this.#directory()), key };
  }

  #change(id: string, change: (record: KeyRecord) => KeyRecord): Promise<KeyView> {
    return this.#exclusive.run(async () => {
      const [ownId, record] = find(await this.#all(), id);
      const changed = change(record);
      await this.#put(ownId, changed);
      return viewOf(ownId, changed, this.#directory());
    });
  }

  async #all(): Promise<Map<string, KeyRecord>> {
    const keys = new Map<string, KeyRecord>();
    for (const [id, value] of await this.#records.list(KEYS_COLLECTION)) {
      const record = readKeyRecord(value);
      if (record !== null) keys.set(id, record);
    }
    return keys;
  }

  #put(id: string, record: KeyRecord): Promise<void> {
    const end = record.revokedAt ?? record.expiresAt;
    return this.#records.put(KEYS_COLLECTION, id, record, end === null ? null : end + KEEP_ENDED_MS);
  }
}

/** By id, by what of the key may be shown, and by the key itself, for whoever has just found one in a repository. */
function find(keys: ReadonlyMap<string, KeyRecord>, asked: string): readonly [string, KeyRecord] {
  const id = keyId(asked) ?? asked;
  const record = keys.get(id);
  // Not repeated: it may be a key of somebody else.
  if (record === undefined) throw new KeyDeskError('unknown', 'there is no such key: `sluice keys list` shows all');
  return [id, record];
}
