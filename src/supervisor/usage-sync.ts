import { setImmediate as nextTurn } from 'node:timers/promises';
import { hash32 } from '../plan/limiter.ts';
import type { UsageChange, UsageRow, UsageStore, UsageTotal, UsageWindow } from '../plan/usage.ts';
import { fullStamp, type UsageTable } from '../shared-memory/usage.ts';
import type { UsageMemory } from '../shared-memory/usage-segments.ts';

/** Changes in one command or transaction: some milliseconds. */
const BATCH = 1000;
/** Parts of a rolling period that are over change only when an operator on another machine changes them. */
const REREAD_MS = 5000;
/** Of the slots of a table, what is loaded at a start: there has to be room for who comes. */
const FILL = 0.75;

/** What the store has of a slot, as far as is known here: by place in the ring. */
interface Known {
  readonly window: number;
  readonly subject: string;
  readonly totals: { stamp: number; count: number }[];
  readAt: number;
}

interface Sent {
  readonly place: number;
  readonly change: UsageChange;
}

interface ChangedSlot {
  readonly table: UsageTable;
  readonly slot: number;
  readonly known: Known;
  readonly sent: readonly Sent[];
}

/**
 * Brings what the workers counted to the store, and what others counted there to the workers. What is sent is what came
 * to a count since the total that the store answered last; the answer is the new total, and what is in it of others is
 * added here. So any number of processes count as one, each a moment behind the others.
 */
export class UsageSync {
  readonly #memory: UsageMemory;
  readonly #store: UsageStore;
  readonly #windows: ReadonlyMap<number, UsageWindow>;
  readonly #planName: (id: number) => string | null;
  #generation: string | null = null;
  readonly #known = new Map<UsageTable, Map<number, Known>>();

  constructor(
    memory: UsageMemory,
    store: UsageStore,
    windows: ReadonlyMap<number, UsageWindow>,
    planName: (id: number) => string | null,
  ) {
    this.#memory = memory;
    this.#store = store;
    this.#windows = windows;
    this.#planName = planName;
    for (const table of memory.tables) this.#known.set(table, new Map());
  }

  /** Fills the memory with what is known of a window that nobody counts in yet. Rejects with `RecordsError`. */
  async load(window: UsageWindow): Promise<void> {
    const table = this.#memory.tableOf(window);
    for (const row of await this.#rows(window, Math.floor(table.slots * FILL))) this.adopt(window, row);
  }

  /** One subject of a window whose slot has gone to somebody else, or never was. */
  async loadOne(window: UsageWindow, subject: string): Promise<void> {
    if (this.#memory.tableOf(window).find(window.id, subject) !== null) return;
    for (const row of await this.#rows(window, Number.MAX_SAFE_INTEGER)) {
      if (row.subject === subject) this.adopt(window, row);
    }
  }

  /** The next run learns all that the store has of a subject. */
  refresh(window: UsageWindow, subject: string): void {
    const table = this.#memory.tableOf(window);
    const slot = table.find(window.id, subject);
    if (slot === null) return;
    const known = this.#known.get(table)?.get(slot);
    if (known !== undefined) known.readAt = 0;
    table.touch(slot);
  }

  adopt(window: UsageWindow, { subject, stamp, plan, used }: UsageRow): void {
    const table = this.#memory.tableOf(window);
    const planId = plan === null ? 0 : hash32(plan);
    const endsAt = window.clock.leavesAt(stamp);
    table.take(window.id, subject, planId, stamp, 1, endsAt, Date.now(), Number.POSITIVE_INFINITY, used);
    const slot = table.find(window.id, subject);
    if (slot === null) return;
    const ring = table.read(slot)?.words.length ?? 1;
    this.#knownOf(table, slot, window.id, subject, ring).totals[stamp % ring] = { stamp, count: used };
    table.calm(slot);
  }

  /** Rejects with `RecordsError`; what was not kept is tried again the next time. */
  async run(): Promise<void> {
    const changed = this.#collect();
    let done = 0;
    try {
      if (changed.length > 0) await this.#restore();
      while (done < changed.length) {
        if (done > 0) await nextTurn();
        let end = done;
        for (let size = 0; end < changed.length && size < BATCH; end++)
          size += (changed[end] as ChangedSlot).sent.length;
        await this.#keep(changed.slice(done, end));
        done = end;
      }
    } finally {
      for (const { table, slot } of changed.slice(done)) table.settle(slot, false);
    }
  }

  /** A store that was emptied gets back what is known here; among several machines, the one that knows most has its way. */
  async #restore(): Promise<void> {
    const generation = await this.#store.generation();
    const isOther = this.#generation !== null && this.#generation !== generation;
    const totals = isOther ? [...this.#totals()] : [];
    for (let from = 0; from < totals.length; from += BATCH) await this.#store.raise(totals.slice(from, from + BATCH));
    this.#generation = generation;
  }

  *#totals(): Generator<UsageTotal> {
    for (const [table, slots] of this.#known) {
      for (const [slot, { window: id, subject, totals }] of slots) {
        const window = this.#windows.get(id);
        const read = table.read(slot);
        if (window === undefined || read?.subject !== subject || read.window !== id) continue;
        const { clock, name } = window;
        for (const { stamp, count } of totals) {
          if (count === 0 || stamp <= clock.stamp - clock.span) continue;
          const plan = this.#planName(read.plan);
          yield { window: name, subject, stamp, plan, used: count, endsAt: clock.leavesAt(stamp) };
        }
      }
    }
  }

  async #keep(batch: readonly ChangedSlot[]): Promise<void> {
    const totals = await this.#store.push(batch.flatMap(({ sent }) => sent.map(({ change }) => change)));
    let next = 0;
    for (const each of batch) {
      let isKept = true;
      for (const sent of each.sent) {
        const total = totals[next++] ?? null;
        if (total === null) isKept = false;
        else learn(each, sent, total);
      }
      each.table.settle(each.slot, isKept);
    }
  }

  #collect(): ChangedSlot[] {
    const changed: ChangedSlot[] = [];
    const now = Date.now();
    for (const table of this.#memory.tables) {
      for (const slot of table.changed()) {
        const found = this.#changesOf(table, slot, now);
        if (found === null) table.settle(slot, true);
        else changed.push(found);
      }
    }
    return changed;
  }

  /** Null: nobody wants to know. */
  #changesOf(table: UsageTable, slot: number, now: number): ChangedSlot | null {
    const read = table.read(slot);
    const window = read === null ? undefined : this.#windows.get(read.window);
    if (read === null || window === undefined) return null;
    const { clock } = window;
    clock.moveTo(now);
    const { subject, words } = read;
    const known = this.#knownOf(table, slot, read.window, subject, words.length);
    const rereads = now - known.readAt >= REREAD_MS;
    if (rereads) known.readAt = now;
    const sent: Sent[] = [];
    for (const [place, { stamp: mark, count }] of words.entries()) {
      const stamp = fullStamp(mark, clock.stamp);
      if (stamp <= clock.stamp - words.length || stamp % words.length !== place) continue;
      const before = totalAt(known, place, stamp);
      const isWanted = stamp === clock.stamp || (rereads && before > 0);
      if (count === before && !isWanted) continue;
      const plan = this.#planName(read.plan);
      const endsAt = clock.leavesAt(stamp);
      sent.push({ place, change: { window: window.name, subject, stamp, plan, delta: count - before, endsAt } });
    }
    return { table, slot, known, sent };
  }

  #knownOf(table: UsageTable, slot: number, window: number, subject: string, ring: number): Known {
    const slots = this.#known.get(table) as Map<number, Known>;
    let known = slots.get(slot);
    if (known === undefined || known.window !== window || known.subject !== subject) {
      const totals = Array.from({ length: ring }, () => ({ stamp: -1, count: 0 }));
      known = { window, subject, totals, readAt: Date.now() };
      slots.set(slot, known);
    }
    return known;
  }

  async #rows(window: UsageWindow, most: number): Promise<readonly UsageRow[]> {
    const { clock, name } = window;
    clock.moveTo(Date.now());
    return this.#store.load(name, clock.stamp - clock.span + 1, clock.stamp, most);
  }
}

function totalAt({ totals }: Known, place: number, stamp: number): number {
  const total = totals[place];
  return total?.stamp === stamp ? total.count : 0;
}

function learn({ table, slot, known }: ChangedSlot, { place, change }: Sent, total: number): void {
  const { subject, stamp, delta } = change;
  const others = total - totalAt(known, place, stamp) - delta;
  if (others !== 0 && !table.correct(slot, known.window, subject, stamp, others)) return;
  known.totals[place] = { stamp, count: total };
}
