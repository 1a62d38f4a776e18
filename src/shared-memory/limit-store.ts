/** What one worker sees of the store that its limits share with other machines: written by it, read by the supervisor. */
export const limitStoreStates = ['connecting', 'closed', 'open', 'half-open'] as const;
export type LimitStoreState = (typeof limitStoreStates)[number];

const CELL_BYTES = 128;
const STATE = 0;
const INSTANCES = 1;

/** Counters, by their place in the cell. */
export const limitStoreCounter = {
  /** Attempts that were sent to the store. */
  asked: 2,
  /** Attempts that the store decided in time. */
  answered: 3,
  /** Attempts that were sent and not decided within the budget. */
  late: 4,
  /** Attempts that this machine decided on its own, with its share of the limit. */
  local: 5,
  /** Attempts that passed without being counted (`onFailure: allow`). */
  allowed: 6,
  /** Attempts that were refused without being counted (`onFailure: deny`). */
  denied: 7,
  /** Commands that failed: refused, late, or lost with their connection. */
  failures: 8,
  connections: 9,
  /** Times that the breaker opened. */
  opened: 10,
  /** Keys whose use during an outage the store was told. */
  settled: 11,
  /** Keys whose use was not kept, because there were too many of them. */
  unsettled: 12,
  /** Commands that carried attempts, and their round trips in milliseconds. */
  commands: 13,
  roundTrips: 14,
} as const;
export type LimitStoreCounter = keyof typeof limitStoreCounter;

export interface LimitStoreReading {
  readonly state: LimitStoreState;
  /** Living gateways that share the store, as last known; this one alone before it was ever reached. */
  readonly instances: number;
  readonly counters: Readonly<Record<LimitStoreCounter, number>>;
}

/** A worker's successor goes on with its cell: counters never fall, and the number of instances is not forgotten. */
export class LimitStoreCell {
  readonly buffer: SharedArrayBuffer;
  readonly #numbers: Float64Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(CELL_BYTES)) {
    this.buffer = buffer;
    this.#numbers = new Float64Array(buffer);
  }

  get instances(): number {
    return Math.max(1, this.#numbers[INSTANCES] as number);
  }

  set instances(count: number) {
    this.#numbers[INSTANCES] = count;
  }

  setState(state: LimitStoreState): void {
    this.#numbers[STATE] = limitStoreStates.indexOf(state);
  }

  add(counter: LimitStoreCounter, count: number): void {
    const at = limitStoreCounter[counter];
    this.#numbers[at] = (this.#numbers[at] as number) + count;
  }

  read(): LimitStoreReading {
    const counters = {} as Record<LimitStoreCounter, number>;
    for (const name of Object.keys(limitStoreCounter) as LimitStoreCounter[]) {
      counters[name] = this.#numbers[limitStoreCounter[name]] as number;
    }
    const state = limitStoreStates[this.#numbers[STATE] as number] ?? 'connecting';
    return { state, instances: this.instances, counters };
  }
}

/** From fine to bad: what one worker cannot reach, the process cannot count on. */
const BY_TROUBLE: readonly LimitStoreState[] = ['closed', 'connecting', 'half-open', 'open'];

/** What all workers see, as one; null: there are none. */
export function summarize(readings: readonly LimitStoreReading[]): LimitStoreReading | null {
  const [first, ...others] = readings;
  if (first === undefined) return null;
  const counters: Record<LimitStoreCounter, number> = { ...first.counters };
  let { state, instances } = first;
  for (const other of others) {
    if (BY_TROUBLE.indexOf(other.state) > BY_TROUBLE.indexOf(state)) state = other.state;
    instances = Math.max(instances, other.instances);
    for (const name of Object.keys(counters) as LimitStoreCounter[]) counters[name] += other.counters[name];
  }
  return { state, instances, counters };
}
