import type { z } from 'zod';
import type { FeedPublisher } from '../plan/feed.ts';
import type { Closable, Supervised } from '../plan/policy.ts';
import type { Records } from '../plan/records.ts';
import { type Revoked, revocationKey } from '../policies/auth/revocations.ts';
import {
  addRequest,
  REVOCATIONS_COLLECTION,
  type Revocation,
  type RevocationView,
  readRevocation,
  revocationOf,
  undoRequest,
  viewOf,
} from './revocation-record.ts';

/** A failed reading is tried again, whether the store announces its recovery or not. */
const RETRY_MS = 5000;
/** What has ended leaves the workers' memory. */
const SWEEP_MS = 10 * 60_000;

/** What an operator can mend. `unknown`: there is no such revocation. */
export class RevocationError extends Error {
  readonly kind: 'invalid' | 'unknown';

  constructor(kind: RevocationError['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

/**
 * What was revoked, read from the store and published to the workers, and in the hands of operators. Requests are JSON
 * as it came. A store that is out of reach changes nothing about what is in force; changes reject with `RecordsError`.
 */
export class RevocationDesk implements Supervised {
  /** The first reading has been tried. */
  readonly settled: Promise<void>;
  readonly #records: Records;
  readonly #publisher: FeedPublisher<Revoked>;
  readonly #problem: (message: string) => void;
  readonly #watch: Closable;
  readonly #sweep: NodeJS.Timeout;
  #published: ReadonlyMap<string, Revoked> | null = null;
  #reading: Promise<void> | null = null;
  #again = false;
  #retry: NodeJS.Timeout | null = null;
  #unreadable = 0;
  #closed = false;

  constructor(records: Records, publisher: FeedPublisher<Revoked>, problem: (message: string) => void) {
    this.#records = records;
    this.#publisher = publisher;
    this.#problem = problem;
    // Before the first reading, so that no change falls between the two.
    this.#watch = records.watch(REVOCATIONS_COLLECTION, () => void this.#refresh());
    this.#sweep = setInterval(() => void this.#refresh(), SWEEP_MS);
    this.#sweep.unref();
    this.settled = this.#refresh();
  }

  /** Newest first. */
  async list(): Promise<RevocationView[]> {
    return (await this.#read()).sort((one, other) => other.revokedAt - one.revokedAt).map(viewOf);
  }

  /** In force in this process when it resolves, as far as messages to workers travel; elsewhere within a second. */
  async add(request: unknown): Promise<RevocationView> {
    const revocation = revocationOf(understand(addRequest, request), Date.now());
    const { kind, id, until } = revocation;
    await this.#records.put(REVOCATIONS_COLLECTION, revocationKey(kind, id), { ...revocation }, until);
    await this.#refresh();
    return viewOf(revocation);
  }

  async undo(request: unknown): Promise<Pick<RevocationView, 'kind' | 'id'>> {
    const { kind, id } = understand(undoRequest, request);
    const removed = await this.#records.remove(REVOCATIONS_COLLECTION, revocationKey(kind, id));
    await this.#refresh();
    if (removed) return { kind, id };
    throw new RevocationError('unknown', `no such ${kind} is revoked: \`sluice revoke list\` shows all`);
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#sweep);
    if (this.#retry !== null) clearTimeout(this.#retry);
    void this.#watch.close();
  }

  /** Never rejects. Who asks while it reads gets a reading that began after the question. */
  #refresh(): Promise<void> {
    if (this.#reading !== null) {
      this.#again = true;
      return this.#reading;
    }
    this.#reading = this.#readAndPublish();
    return this.#reading;
  }

  async #readAndPublish(): Promise<void> {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    try {
      do {
        this.#again = false;
        const revocations = await this.#read();
        if (this.#closed) return;
        this.#publish(revocations);
      } while (this.#again);
    } catch {
      // What is in force stays; the store itself says in the log and in `status` what is wrong with it.
      if (this.#closed) return;
      this.#retry = setTimeout(() => void this.#refresh(), RETRY_MS);
      this.#retry.unref();
    } finally {
      this.#reading = null;
    }
  }

  async #read(): Promise<Revocation[]> {
    const revocations: Revocation[] = [];
    let unreadable = 0;
    const now = Date.now();
    for (const [key, value] of await this.#records.list(REVOCATIONS_COLLECTION)) {
      const revocation = readRevocation(key, value);
      if (revocation === null) unreadable += 1;
      else if (revocation.until === null || revocation.until > now) revocations.push(revocation);
    }
    if (unreadable > this.#unreadable) this.#problem(`${unreadable} records of the store are no revocations`);
    this.#unreadable = unreadable;
    return revocations;
  }

  /** Only what is different: a publication makes workers judge anew whom they remember. */
  #publish(revocations: readonly Revocation[]): void {
    const before = this.#published;
    const now = new Map<string, Revoked>();
    for (const { kind, id, before, until } of revocations) now.set(revocationKey(kind, id), { before, until });
    this.#published = now;
    if (before === null) {
      this.#publisher.replace(now);
      return;
    }
    const changes: [string, Revoked | undefined][] = [];
    for (const key of before.keys()) if (!now.has(key)) changes.push([key, undefined]);
    for (const [key, revoked] of now) {
      const known = before.get(key);
      if (known?.before !== revoked.before || known.until !== revoked.until) changes.push([key, revoked]);
    }
    if (changes.length > 0) this.#publisher.update(changes);
  }
}

function understand<T extends z.ZodType>(schema: T, request: unknown): z.output<T> {
  const { success, data, error } = schema.safeParse(request);
  if (success) return data;
  const problems = error.issues.map((issue) => {
    const remedy = (issue as { params?: { remedy?: string } }).params?.remedy;
    const where = issue.path.length === 0 ? '' : `\`${issue.path.join('.')}\`: `;
    return `${where}${issue.message}${remedy === undefined ? '' : `. ${remedy}`}`;
  });
  throw new RevocationError('invalid', problems.join('; '));
}
