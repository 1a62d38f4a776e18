import { FULL, type GaugeFamily, type GaugeTable } from '../shared-memory/gauges.ts';
import type { Admission } from './admission.ts';
import { WaitingLine } from './waiting-line.ts';

/** What a gate counts with. */
export interface GateMeter {
  /** More or fewer that wait. */
  waiting(change: number): void;
  refused(): void;
  limit(current: number): void;
}

/** Of so many places that come free, one is for another worker in which somebody waits. */
const ONE_ELSEWHERE_OF = 4;
/** How long a worker sleeps on a line at most before it looks by itself. */
const SLEEP_MS = 1_000;

class Line extends WaitingLine {
  /** Of the gauge; it stays this one's while somebody waits. */
  readonly slot: number;
  readonly key: string;
  /** Somebody is being let in further up the stack. */
  serving = false;
  /** Places came free meanwhile. */
  freed = false;
  handed = 0;

  constructor(slot: number, key: string) {
    super();
    this.slot = slot;
    this.key = key;
  }
}

/**
 * The places of one gate, as one worker sees them, and who waits here for one. A place that comes free goes to the first
 * in line without a detour over shared memory; a share of them goes to other workers in which somebody waits.
 */
export class GateLines {
  readonly meter: GateMeter;
  readonly #gauges: GaugeTable;
  readonly #family: GaugeFamily;
  readonly #lines = new Map<string, Line>();
  /** Slots for which this worker is to be woken. */
  readonly #asleep = new Set<number>();

  constructor(gauges: GaugeTable, family: GaugeFamily, meter: GateMeter) {
    this.#gauges = gauges;
    this.#family = family;
    this.meter = meter;
  }

  /** A place, or `FULL`. Nobody overtakes those who wait in this worker. */
  enter(key: string, max: number): number {
    if (this.#lines.size > 0 && this.#lines.has(key)) return FULL;
    return this.#gauges.enter(this.#family, key, max);
  }

  enterAnyhow(key: string, max: number): number {
    return this.#gauges.enter(this.#family, key, max);
  }

  /** Waits, if there is room or somebody of a lower class makes room; else it is refused. */
  wait(admission: Admission, queue: number, timeout: number): void {
    let line = this.#lines.get(admission.key);
    while ((line?.length ?? 0) >= queue) {
      const other = line?.lastBelow(admission.priority) as Admission | null | undefined;
      if (other === null || other === undefined) {
        this.#refuse(admission);
        return;
      }
      this.expire(other);
      line = this.#lines.get(admission.key);
    }
    if (line === undefined) {
      line = new Line(this.#gauges.expect(this.#family, admission.key), admission.key);
      this.#lines.set(admission.key, line);
    } else {
      this.#gauges.expectAt(line.slot);
    }
    line.push(admission);
    this.meter.waiting(1);
    admission.start(timeout);
    // A place may have come free after it was asked for, and before anybody could know that one waits.
    if (line.length === 1) this.#listen(line);
  }

  withdraw(admission: Admission): void {
    const line = admission.line as Line | null;
    if (line !== null) this.#remove(line, admission);
  }

  /** Waits no more, and is told so. */
  expire(admission: Admission): void {
    this.withdraw(admission);
    this.#refuse(admission);
  }

  leave(slot: number, key: string): void {
    const line = this.#lines.size === 0 ? undefined : this.#lines.get(key);
    if (line === undefined) {
      this.#gauges.leave(slot);
      return;
    }
    // Whoever is let in may leave at once: that is no reason to nest ever deeper.
    if (line.serving) {
      this.#gauges.leave(slot);
      line.freed = true;
      return;
    }
    const isElsewhere = this.#gauges.waitingElsewhere(slot) > 0 && ++line.handed % ONE_ELSEWHERE_OF === 0;
    const next = line.first as Admission;
    if (isElsewhere || slot !== line.slot || this.#gauges.count(slot) > next.places.max) {
      this.#gauges.leave(slot);
      if (!isElsewhere) this.#serve(line);
      return;
    }
    line.serving = true;
    try {
      this.#remove(line, next);
      next.admit(slot);
    } finally {
      line.serving = false;
    }
    // A limit that follows the latency may have grown.
    if (line.freed || next.places.measures) this.#serve(line);
  }

  /** Lets in whoever finds a place. */
  #serve(line: Line): void {
    if (line.serving) {
      line.freed = true;
      return;
    }
    line.serving = true;
    try {
      for (let next = line.first as Admission | null; next !== null; next = line.first as Admission | null) {
        line.freed = false;
        const slot = this.#gauges.enter(this.#family, line.key, next.places.max);
        if (slot === FULL) {
          if (line.freed) continue;
          break;
        }
        this.#remove(line, next);
        next.admit(slot);
      }
    } finally {
      line.serving = false;
      line.freed = false;
    }
  }

  /** Serves the line, and again whenever another worker gives a place back. */
  #listen(line: Line): void {
    const { slot, key } = line;
    for (;;) {
      const count = this.#gauges.wakeCount(slot);
      this.#serve(line);
      // Whoever still sleeps there from an earlier line will look at this one.
      if (line.length === 0 || this.#asleep.has(slot)) return;
      const woken = this.#gauges.woken(slot, count, SLEEP_MS);
      if (woken === null) continue;
      this.#asleep.add(slot);
      void woken.then(() => {
        this.#asleep.delete(slot);
        const current = this.#lines.get(key);
        if (current !== undefined && current.slot === slot) this.#listen(current);
        else this.#gauges.passOn(slot);
      });
      return;
    }
  }

  #remove(line: Line, admission: Admission): void {
    line.remove(admission);
    admission.clear();
    this.meter.waiting(-1);
    this.#gauges.unexpect(line.slot);
    if (line.length === 0 && this.#lines.get(line.key) === line) this.#lines.delete(line.key);
  }

  #refuse(admission: Admission): void {
    this.meter.refused();
    admission.refuse();
  }
}
