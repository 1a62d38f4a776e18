import { z } from 'zod';
import { RecordsError, type RecordsState } from '../plan/records.ts';
import type { ResponsePurge } from '../plan/response-store.ts';
import type { LoggedPurge, PurgeListener, PurgeLog } from '../plan/shared-responses.ts';
import { normalizeTarget, Target } from '../semantics/url.ts';
import type { ResponseEntry, ResponseMemory, ResponseStatistics } from '../shared-memory/response-memory.ts';
import { detailsOf, headOf, type ResponseDetails, type ResponseView, responseId, viewOf } from './response-views.ts';
import type { SharedPurges } from './shared-purges.ts';

/** Purges that come together are told together. */
const TELL_MS = 20;
const RETRY_MS = 1000;
/** More that could not be told yet, and others are told to purge everything. */
const MAX_UNTOLD = 10_000;
const PAGE = 500;
const MAX_LISTED = 10_000;

/** What an operator can mend. */
export class ResponseDeskError extends Error {
  readonly kind: 'invalid' | 'unknown';

  constructor(kind: ResponseDeskError['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

const text = z.string().min(1).max(8192);
const purgeRequest = z
  .strictObject({
    url: text.optional(),
    prefix: text.optional(),
    tags: z.array(text).min(1).max(100).optional(),
    id: text.optional(),
    all: z.literal(true).optional(),
    soft: z.boolean().default(false),
  })
  .refine(({ soft: _, ...what }) => Object.values(what).filter((each) => each !== undefined).length === 1, {
    message: 'say one of `url`, `prefix`, `tags`, `id` and `all`',
  });

const listRequest = z.strictObject({
  url: text.optional(),
  tag: text.optional(),
  limit: z.coerce.number().int().min(1).max(MAX_LISTED).default(100),
});

export interface PurgeOutcome {
  readonly purged: number;
  /** Null: there are no other machines. False: they are told as soon as the store is back. */
  readonly told: boolean | null;
}

export interface ResponseStats extends ResponseStatistics {
  /** What machines share purges by; null: each is on its own. */
  readonly shared: RecordsState | null;
}

export interface ResponseDeskOptions {
  readonly memory: ResponseMemory;
  /** Null: machines share purges only, or nothing. */
  readonly sharedPurges: SharedPurges | null;
  openLog(listener: PurgeListener): PurgeLog | null;
  problem(message: string): void;
}

/** The stored responses in the hands of operators, and the purges of all machines. */
export class ResponseDesk implements PurgeListener {
  readonly #memory: ResponseMemory;
  readonly #sharedPurges: SharedPurges | null;
  readonly #log: PurgeLog | null;
  readonly #problem: (message: string) => void;
  readonly #untold = new Map<string, ResponsePurge>();
  #telling: NodeJS.Timeout | null = null;
  #hasHeard = false;
  #closed = false;

  constructor({ memory, sharedPurges, openLog, problem }: ResponseDeskOptions) {
    this.#memory = memory;
    this.#sharedPurges = sharedPurges;
    this.#problem = problem;
    this.#log = openLog(this);
  }

  get stats(): ResponseStats {
    return { ...this.#memory.statistics, shared: this.#log?.state ?? null };
  }

  async list(request: unknown): Promise<ResponseView[]> {
    const { url, tag, limit } = understand(listRequest, request);
    const views: ResponseView[] = [];
    const urls = url === undefined ? null : urlsOf(url, false);
    for await (const entry of this.#entries()) {
      if (urls !== null && !urls.some((each) => entry.key.startsWith(each))) continue;
      if (tag !== undefined && !entry.tags.includes(tag)) continue;
      const head = headOf(entry);
      if (head !== null) views.push(viewOf(entry, head));
      if (views.length >= limit) break;
    }
    return views.sort((one, other) => (one.url < other.url ? -1 : one.url > other.url ? 1 : 0));
  }

  /** Of a URL with all its variants, or of one id. */
  async show(what: string): Promise<ResponseDetails[]> {
    const details: ResponseDetails[] = [];
    const urls = isId(what) ? null : urlsOf(what, true);
    for await (const entry of this.#entries()) {
      const isMeant =
        urls === null ? responseId(entry.key) === what : urls.some((each) => entry.key.startsWith(`${each}\n`));
      const head = isMeant ? headOf(entry) : null;
      if (head !== null) details.push(detailsOf(entry, head));
    }
    if (details.length === 0) throw new ResponseDeskError('unknown', `nothing is stored of \`${what}\``);
    return details;
  }

  async purge(request: unknown): Promise<PurgeOutcome> {
    const { url, prefix, tags, id, soft } = understand(purgeRequest, request);
    const purges: ResponsePurge[] = [];
    const add = (by: ResponsePurge['by'], value: string): void => void purges.push({ by, value, soft });
    if (url !== undefined) for (const each of urlsOf(url, true)) add('prefix', `${each}\n`);
    else if (prefix !== undefined) for (const each of urlsOf(prefix, false)) add('prefix', each);
    else if (tags !== undefined) for (const tag of tags) add('tag', tag);
    else if (id !== undefined) add(soft ? 'prefix' : 'key', await this.#primaryOf(id));
    else add('all', '');
    let purged = 0;
    for (const purge of purges) purged += await this.#memory.store.purge(purge);
    if (this.#log === null) return { purged, told: null };
    for (const purge of purges) this.#keepUntold(purge);
    return { purged, told: await this.#tell() };
  }

  /** What a worker has purged. */
  announce(purge: ResponsePurge): void {
    if (this.#log === null || this.#closed) return;
    this.#keepUntold(purge);
    this.#tellLater(TELL_MS);
  }

  heard(purges: readonly LoggedPurge[], isKnown: boolean): void {
    if (this.#closed) return;
    // Workers stop trusting what they share before it is purged here: whatever they take over meanwhile goes with it.
    this.#sharedPurges?.hear(purges, isKnown);
    const isFirst = !this.#hasHeard;
    this.#hasHeard = true;
    if (isFirst) return;
    if (isKnown) {
      for (const { purge } of purges) void this.#memory.store.purge(purge);
      return;
    }
    this.#problem('purges of other machines were missed: all stored responses are purged');
    void this.#memory.store.purge({ by: 'all', value: '', soft: false });
  }

  away(): void {
    this.#sharedPurges?.away();
  }

  async close(): Promise<void> {
    await this.#tell();
    this.#closed = true;
    if (this.#telling !== null) clearTimeout(this.#telling);
    await this.#log?.close();
  }

  #keepUntold(purge: ResponsePurge): void {
    if (this.#untold.size >= MAX_UNTOLD) {
      this.#untold.clear();
      this.#untold.set('all', { by: 'all', value: '', soft: false });
    }
    this.#untold.set(`${purge.by} ${purge.soft} ${purge.value}`, purge);
  }

  #tellLater(milliseconds: number): void {
    if (this.#closed) return;
    this.#telling ??= setTimeout(() => {
      this.#telling = null;
      void this.#tell();
    }, milliseconds);
    this.#telling.unref();
  }

  /** False: not yet. */
  async #tell(): Promise<boolean> {
    if (this.#log === null || this.#untold.size === 0) return true;
    const purges = [...this.#untold];
    try {
      await this.#log.add(purges.map(([, purge]) => purge));
      for (const [name, purge] of purges) if (this.#untold.get(name) === purge) this.#untold.delete(name);
      return true;
    } catch (error) {
      if (!(error instanceof RecordsError)) throw error;
      this.#tellLater(RETRY_MS);
      return false;
    }
  }

  /** Keys of variants are different on every machine; without the first one none of them is found. */
  async #primaryOf(id: string): Promise<string> {
    for await (const { key } of this.#entries()) {
      if (responseId(key) === id) return key.split('\n', 2).join('\n');
    }
    throw new ResponseDeskError('unknown', `nothing is stored under \`${id}\``);
  }

  async *#entries(): AsyncGenerator<ResponseEntry> {
    for (let from: number | null = 0; from !== null; ) {
      const page: ReturnType<ResponseMemory['page']> = this.#memory.page(from, PAGE);
      yield* page.entries;
      from = page.next;
      // A million responses are not looked through in one go.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

function isId(what: string): boolean {
  return /^[0-9a-f]{12}$/.test(what);
}

/**
 * How the keys of a URL begin: with both schemes where none is said. `isWhole`: a path follows at least; else it may end
 * anywhere.
 */
function urlsOf(given: string, isWhole: boolean): string[] {
  const match = /^(?:(https?):\/\/)?([^/?#\s]+)([/?][^#\s]*)?$/i.exec(given);
  const target = new Target();
  const rest = match?.[3] ?? (isWhole ? '/' : '');
  const isNormal = rest === '' || normalizeTarget(rest.startsWith('/') ? rest : `/${rest}`, target);
  if (match === null || !isNormal) {
    throw new ResponseDeskError('invalid', `\`${given}\` is no URL such as \`https://shop.example/v1/items\``);
  }
  const host = (match[2] ?? '').toLowerCase();
  const path = rest === '' ? '' : target.query === '' ? target.path : `${target.path}?${target.query}`;
  const schemes = match[1] === undefined ? ['http', 'https'] : [match[1].toLowerCase()];
  return schemes.map((scheme) => `${scheme}://${host}${path}`);
}

function understand<T extends z.ZodType>(schema: T, request: unknown): z.output<T> {
  const { success, data, error } = schema.safeParse(request);
  if (success) return data;
  throw new ResponseDeskError('invalid', error.issues.map(({ message }) => message).join('; '));
}
