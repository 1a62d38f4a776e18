import type { AdaptiveOptions, Gate, GateOptions, GateScope } from '../plan/admission.ts';
import type { Dispatch, Sink, UpstreamCall } from '../plan/call.ts';
import type { Exchange } from '../plan/exchange.ts';
import { FULL, type GaugeTable } from '../shared-memory/gauges.ts';
import type { WorkerCell } from '../shared-memory/metrics.ts';
import { AdaptiveControl } from './adaptive-control.ts';
import { Admission, type Places } from './admission.ts';
import { GateLines, type GateMeter } from './gate-lines.ts';

/** What gates count with. */
export type GateCounter = Pick<WorkerCell, 'waiting' | 'overloaded' | 'upstreamLimit'>;

/** With `report: true` there is always a place. */
const NO_LIMIT = 2 ** 31 - 1;

/** The gates of a worker. What waits at one of them lives on when a reload changes its options. */
export class Gates {
  readonly #gauges: GaugeTable;
  readonly #counter: GateCounter;
  /** Milliseconds, the same in all workers. */
  readonly #clock: () => number;
  readonly #lines = new Map<string, WeakRef<GateLines>>();
  #sweepAt = 64;

  constructor(gauges: GaugeTable, clock: () => number, counter: GateCounter) {
    this.#gauges = gauges;
    this.#clock = clock;
    this.#counter = counter;
  }

  /** `series`: of the upstream, or -1. */
  open(options: GateOptions, series: number): Gate {
    const lines = this.#linesOf(options.scope, series);
    const { adaptive } = options;
    const control = adaptive === null ? null : this.#control(lines, options, adaptive);
    return {
      guard: (next, keyOf, report) => {
        const guarded = new GuardedTarget(next, lines, options, control, report);
        return keyOf === null ? admitAll(guarded) : admitByKey(guarded, keyOf);
      },
    };
  }

  #control(lines: GateLines, { max }: GateOptions, { min, initial, tolerance }: AdaptiveOptions): AdaptiveControl {
    return new AdaptiveControl(this.#gauges, { min, max, tolerance }, initial, this.#clock, (limit) =>
      lines.meter.limit(limit),
    );
  }

  #linesOf(scope: GateScope, series: number): GateLines {
    const name = `${scope.kind} ${scope.name}`;
    const known = this.#lines.get(name)?.deref();
    if (known !== undefined) return known;
    const family = this.#gauges.family(name, scope.kind === 'callers');
    const lines = new GateLines(this.#gauges, family, meterOf(this.#counter, series));
    this.#lines.set(name, new WeakRef(lines));
    if (this.#lines.size > this.#sweepAt) this.#sweep();
    return lines;
  }

  /** Forgets those that no plan and no call uses any more. */
  #sweep(): void {
    for (const [name, lines] of this.#lines) if (lines.deref() === undefined) this.#lines.delete(name);
    this.#sweepAt = Math.max(64, this.#lines.size * 2);
  }
}

function meterOf(counter: GateCounter, series: number): GateMeter {
  return {
    waiting: (change) => counter.waiting(series, change),
    refused: () => counter.overloaded(series),
    limit: (current) => {
      if (series >= 0) counter.upstreamLimit(series, current);
    },
  };
}

function admitAll(guarded: GuardedTarget): Dispatch {
  return function admit(call: UpstreamCall, sink: Sink): void {
    guarded.arrive(new Admission(call, sink, guarded, ''));
  };
}

function admitByKey(guarded: GuardedTarget, keyOf: (call: UpstreamCall) => string): Dispatch {
  return function admit(call: UpstreamCall, sink: Sink): void {
    guarded.arrive(new Admission(call, sink, guarded, keyOf(call)));
  };
}

/** A target behind a gate, with the options of one plan. */
class GuardedTarget implements Places {
  readonly next: Dispatch;
  readonly measures: boolean;
  readonly #lines: GateLines;
  readonly #options: GateOptions;
  readonly #control: AdaptiveControl | null;
  readonly #report: ((exchange: Exchange) => void) | null;

  constructor(
    next: Dispatch,
    lines: GateLines,
    options: GateOptions,
    control: AdaptiveControl | null,
    report: ((exchange: Exchange) => void) | null,
  ) {
    this.next = next;
    this.measures = control !== null;
    this.#lines = lines;
    this.#options = options;
    this.#control = control;
    this.#report = report;
  }

  get max(): number {
    return this.#control === null ? this.#options.max : this.#control.limit;
  }

  arrive(admission: Admission): void {
    const lines = this.#lines;
    const slot = lines.enter(admission.key, this.max);
    if (slot !== FULL) {
      admission.admit(slot);
      return;
    }
    if (this.#report !== null) {
      if (admission.call.exchange !== null) this.#report(admission.call.exchange);
      admission.admit(lines.enterAnyhow(admission.key, NO_LIMIT));
      return;
    }
    const { queue, timeout } = this.#options;
    lines.wait(admission, queue, timeout);
  }

  withdraw(admission: Admission): void {
    this.#lines.withdraw(admission);
  }

  expire(admission: Admission): void {
    this.#lines.expire(admission);
  }

  leave(admission: Admission): void {
    this.#lines.leave(admission.place, admission.key);
  }

  began(admission: Admission): void {
    this.#control?.began(admission.place);
  }

  answered(admission: Admission, status: number): void {
    this.#control?.answered(admission.place, admission.admittedAt, status);
  }
}
