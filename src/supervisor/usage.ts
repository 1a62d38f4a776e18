import { z } from 'zod';
import { hash32 } from '../plan/limiter.ts';
import { RecordsError, type RecordsState } from '../plan/records.ts';
import { type UsageRow, type UsageStore, UsageWindow } from '../plan/usage.ts';
import type { UsageMemory } from '../shared-memory/usage-segments.ts';
import { UsageSync } from './usage-sync.ts';
import {
  configuredPlan,
  type PlansInForce,
  type PlanView,
  planViews,
  type UsageView,
  usageView,
} from './usage-view.ts';
import { within } from './within.ts';

/** How long what was counted is in memory alone; one write at most for each. */
const SYNC_MS = 250;
const SWEEP_MS = 60_000;
const LAST_SYNC_MS = 2000;

/** What an operator can mend. */
export class UsageError extends Error {
  readonly kind: 'invalid' | 'unknown';

  constructor(kind: UsageError['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

const adjustment = z.strictObject({
  /** A consumer's name, or `consumer:…`, `identity:…`, `key:…`. */
  subject: z.string().min(1).max(1000),
  /** As in the list; all of its plan when left out. */
  period: z.string().optional(),
  /** Adds so much to what was used; below 0 takes away. `reset`: nothing was used. */
  add: z.int().min(-1e11).max(1e11).optional(),
  reset: z.literal(true).optional(),
});

export interface UsageState {
  /** Null: no plan has a quota. */
  readonly store: RecordsState | null;
  /** Subjects that gave way to others, and attempts that were not counted: there were too many at once. */
  readonly evicted: number;
  readonly uncounted: number;
}

export interface UsageDeskOptions {
  readonly memory: UsageMemory;
  /** Comes back at once, whether the store can be reached or not. */
  openStore(): UsageStore;
  problem(message: string): void;
}

/** What callers used of their quotas: kept, shared with other processes, and in the hands of operators. */
export class UsageDesk {
  readonly #options: UsageDeskOptions;
  /** Every one that there was since the start: workers may still count in it. */
  readonly #windows = new Map<number, UsageWindow>();
  readonly #planNames = new Map<number, string>();
  readonly #timers: NodeJS.Timeout[] = [];
  #plans: PlansInForce = { rules: [], consumers: [], defaults: [] };
  #store: UsageStore | null = null;
  #sync: UsageSync | null = null;
  #running: Promise<void> | null = null;
  #closed = false;

  constructor(options: UsageDeskOptions) {
    this.#options = options;
  }

  /** Before workers count by these plans: what was used in their periods is read. Whether that works or not. */
  async prepare({ rules }: PlansInForce): Promise<void> {
    for (const { name } of rules) this.#planNames.set(hash32(name), name);
    const fresh = windowsOf(rules).filter(({ id }) => !this.#windows.has(id));
    if (fresh.length === 0) return;
    const sync = this.#open();
    for (const window of fresh) this.#windows.set(window.id, window);
    try {
      for (const window of fresh) await sync.load(window);
    } catch (error) {
      if (!(error instanceof RecordsError)) throw error;
      this.#options.problem(`what was used of quotas is not known yet: ${error.message}`);
    }
  }

  /** Those of the configuration that has come into service. */
  adopt(plans: PlansInForce): void {
    this.#plans = plans;
  }

  get state(): UsageState {
    return { store: this.#store?.state ?? null, ...this.#options.memory.counts() };
  }

  plans(): PlanView[] {
    return planViews(this.#plans);
  }

  /** Of all subjects, or of one. While the store is away: what this process knows. */
  async list(subject: string | null = null): Promise<UsageView[]> {
    await this.#synchronise().catch(orFail);
    const wanted = subject === null ? null : subjectNames(subject);
    const views: UsageView[] = [];
    for (const window of windowsOf(this.#plans.rules)) {
      const bySubject = new Map<string, UsageRow[]>();
      for (const row of await this.#rowsOf(window)) {
        if (wanted !== null && !wanted(row.subject)) continue;
        const rows = bySubject.get(row.subject);
        if (rows === undefined) bySubject.set(row.subject, [row]);
        else rows.push(row);
      }
      for (const rows of bySubject.values()) views.push(usageView(window, rows, this.#plans));
    }
    return views.sort((one, other) => compare(one.subject, other.subject) || compare(one.period, other.period));
  }

  /** In force at once here, and on other machines when they ask the store next. */
  async adjust(request: unknown): Promise<UsageView[]> {
    const parsed = adjustment.safeParse(request);
    if (!parsed.success) throw new UsageError('invalid', z.prettifyError(parsed.error));
    const { subject: given, period, add, reset } = parsed.data;
    if ((add === undefined) === (reset === undefined)) throw new UsageError('invalid', 'say either `add` or `reset`');
    const before = await this.list(given);
    const subject = this.#subjectOf(given, before);
    const windows = this.#windowsFor(subject, period, before);
    const sync = this.#open();
    for (const window of windows) {
      await sync.loadOne(window, subject).catch(orFail);
      // What others counted until now is reset too.
      sync.refresh(window, subject);
    }
    await this.#synchronise().catch(orFail);
    for (const window of windows) {
      if (reset) this.#reset(window, subject);
      else this.#add(window, subject, window.clock.stamp, add ?? 0);
    }
    return (await this.list(subject)).filter((view) => windows.some(({ name }) => name === view.period));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const timer of this.#timers) clearInterval(timer);
    try {
      const last = this.#synchronise().then(() => true as const);
      if ((await within(LAST_SYNC_MS, last)) === null) throw new RecordsError('the store does not answer');
    } catch (error) {
      orFail(error);
      this.#options.problem(`what was used last is not kept: ${(error as Error).message}`);
    }
    await this.#store?.close();
  }

  #open(): UsageSync {
    if (this.#sync !== null) return this.#sync;
    this.#store = this.#options.openStore();
    const planName = (id: number): string | null => this.#planNames.get(id) ?? null;
    this.#sync = new UsageSync(this.#options.memory, this.#store, this.#windows, planName);
    this.#timers.push(
      setInterval(() => void this.#synchronise().catch((error) => this.#report(error)), SYNC_MS),
      setInterval(() => this.#sweep(), SWEEP_MS),
    );
    for (const timer of this.#timers) timer.unref();
    return this.#sync;
  }

  /** One at a time; whoever asks while one is under way waits for the next. */
  async #synchronise(): Promise<void> {
    const sync = this.#sync;
    if (sync === null) return;
    if (this.#running !== null) {
      await this.#running.catch(() => undefined);
      if (this.#running !== null) return this.#running;
    }
    const running = sync.run().finally(() => {
      this.#running = null;
    });
    this.#running = running;
    await running;
  }

  #report(error: unknown): void {
    if (!(error instanceof RecordsError)) this.#options.problem(`usage is not kept: ${(error as Error).stack}`);
  }

  #sweep(): void {
    for (const table of this.#options.memory.tables) table.sweep(Date.now());
  }

  async #rowsOf(window: UsageWindow): Promise<readonly UsageRow[]> {
    const { clock, name } = window;
    clock.moveTo(Date.now());
    const held = this.#options.memory.tableOf(window);
    const from = clock.stamp - clock.span + 1;
    const plans = new Map<string, string | null>();
    const rows: UsageRow[] = [];
    for (const slot of held.taken()) {
      const read = held.read(slot);
      if (read === null || read.window !== window.id) continue;
      const plan = this.#planNames.get(read.plan) ?? null;
      plans.set(read.subject, plan);
      for (let stamp = from; stamp <= clock.stamp; stamp++) {
        const word = read.words[stamp % read.words.length];
        if (word?.stamp !== stamp % 2 ** 16 || word.count === 0) continue;
        rows.push({ window: name, subject: read.subject, stamp, plan, used: word.count });
      }
    }
    try {
      const kept = (await this.#store?.load(name, from, clock.stamp, Number.MAX_SAFE_INTEGER)) ?? [];
      // It was told of everything here just now, and knows of others besides, but not always of their plans.
      const stored = new Set(kept.map(({ subject }) => subject));
      return [
        ...kept
          .filter(({ used }) => used > 0)
          .map((row) => ({ ...row, plan: row.plan ?? plans.get(row.subject) ?? null })),
        ...rows.filter(({ subject }) => !stored.has(subject)),
      ];
    } catch (error) {
      orFail(error);
      return rows;
    }
  }

  #subjectOf(given: string, known: readonly UsageView[]): string {
    const found = new Set(known.map(({ subject }) => subject));
    if (found.size > 1) {
      throw new UsageError('invalid', `\`${given}\` is more than one: ${[...found].join(', ')}; say which`);
    }
    const [only] = found;
    if (only !== undefined) return only;
    if (given.includes(':')) return given;
    if (this.#plans.consumers.some(([name]) => name === given)) return `consumer:${given}`;
    throw new UsageError('unknown', `there is no consumer \`${given}\`, and nobody of that name used anything`);
  }

  #windowsFor(subject: string, period: string | undefined, known: readonly UsageView[]): UsageWindow[] {
    const windows = windowsOf(this.#plans.rules);
    if (period !== undefined) {
      const found = windows.filter(({ name }) => name === period);
      if (found.length > 0) return found;
      const names = windows.map(({ name }) => `\`${name}\``).join(', ');
      throw new UsageError('unknown', `no quota counts per \`${period}\`; there are: ${names || 'none'}`);
    }
    const plan = known.find((view) => view.plan !== null)?.plan ?? configuredPlan(subject, this.#plans);
    const rules = this.#plans.rules.filter(({ name }) => name === plan);
    const wanted = new Set([...windowsOf(rules).map(({ name }) => name), ...known.map((view) => view.period)]);
    const found = windows.filter(({ name }) => wanted.has(name));
    if (found.length > 0) return found;
    throw new UsageError('unknown', `\`${subject}\` used nothing, and is on no plan with a quota: say which period`);
  }

  #reset(window: UsageWindow, subject: string): void {
    const table = this.#options.memory.tableOf(window);
    const slot = table.find(window.id, subject);
    const words = slot === null ? [] : (table.read(slot)?.words ?? []);
    const { clock } = window;
    for (let stamp = clock.stamp - clock.span + 1; stamp <= clock.stamp; stamp++) {
      const word = words[stamp % words.length];
      if (word?.stamp === stamp % 2 ** 16 && word.count > 0) this.#add(window, subject, stamp, -word.count);
    }
  }

  #add(window: UsageWindow, subject: string, stamp: number, by: number): void {
    const table = this.#options.memory.tableOf(window);
    const now = Date.now();
    table.take(window.id, subject, 0, stamp, 1, window.clock.leavesAt(stamp), now, Number.POSITIVE_INFINITY, by);
  }
}

function windowsOf(rules: PlansInForce['rules']): UsageWindow[] {
  const byId = new Map<number, UsageWindow>();
  for (const { quotas } of rules) {
    for (const { period } of quotas) {
      const window = new UsageWindow(period);
      window.clock.moveTo(Date.now());
      if (!byId.has(window.id)) byId.set(window.id, window);
    }
  }
  return [...byId.values()];
}

/** A bare name is a consumer's, an identity's at whatever entry, or a key's. */
function subjectNames(given: string): (subject: string) => boolean {
  if (given.includes(':')) return (subject) => subject === given;
  return (subject) =>
    subject === `consumer:${given}` ||
    subject === `key:${given}` ||
    (subject.startsWith('identity:') && subject.slice(subject.indexOf(':', 9) + 1) === given);
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** A store that is away shows in its state, and is asked again. */
function orFail(error: unknown): void {
  if (!(error instanceof RecordsError)) throw error;
}
