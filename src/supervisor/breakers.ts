import { z } from 'zod';
import { sharedClock } from '../base/shared-clock.ts';
import { suggest } from '../base/suggest.ts';
import { type BreakerReading, breakerOrders, orderBreaker, readBreakers } from '../shared-memory/breaker-view.ts';
import type { NamedSlots } from '../shared-memory/named-slots.ts';
import { type RetryBudgetReading, readRetryBudgets } from '../shared-memory/retry-budget.ts';

/** What an operator can mend. */
export class BreakerError extends Error {
  readonly kind: 'invalid' | 'unknown';

  constructor(kind: BreakerError['kind'], message: string) {
    super(message);
    this.kind = kind;
  }
}

const orderRequest = z.strictObject({
  /** As the list names it, or the name of an upstream. */
  breaker: z.string().min(1).max(1024),
  order: z.enum(breakerOrders),
});

/** Circuit breakers in the hands of operators: their word counts in all workers at once, and goes on over reloads. */
export class BreakerDesk {
  readonly #states: NamedSlots;
  readonly #log: (message: string) => void;

  constructor(states: NamedSlots, log: (message: string) => void) {
    this.#states = states;
    this.#log = log;
  }

  list(): BreakerReading[] {
    return readBreakers(this.#states, sharedClock());
  }

  retryBudgets(): RetryBudgetReading[] {
    return readRetryBudgets(this.#states);
  }

  /** A request is JSON as it came. Throws `BreakerError`. */
  order(body: unknown): BreakerReading {
    const parsed = orderRequest.safeParse(body);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw new BreakerError('invalid', `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not understood'}`);
    }
    const { breaker: given, order } = parsed.data;
    const names = this.list().map(({ breaker }) => breaker);
    const name = names.includes(given) ? given : `upstream:${given}`;
    const reading = orderBreaker(this.#states, name, order, sharedClock());
    if (reading === null) throw new BreakerError('unknown', unknown(given, names));
    this.#log(`${name} ${order === 'auto' ? 'decides itself again, and is closed' : `was forced ${reading.state}`}`);
    return reading;
  }
}

function unknown(given: string, names: readonly string[]): string {
  if (names.length === 0) return 'there are no breakers';
  const near = suggest(given, names) ?? suggest(`upstream:${given}`, names);
  return `there is no breaker \`${given}\`${near === null ? '' : `: did you mean \`${near}\`?`}`;
}
