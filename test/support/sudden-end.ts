/**
 * What a thread leaves behind in shared memory that is ended in the middle of its work: everything that it did before its
 * n-th atomic operation, and nothing after it, no `finally` either.
 */
const NAMES = ['load', 'store', 'add', 'sub', 'or', 'and', 'compareExchange', 'notify', 'wait'] as const;

class Ended extends Error {}

/** False: the work was done before it came to that. */
export function endAfter(operations: number, work: () => void): boolean {
  const real = NAMES.map((name) => Atomics[name]);
  let left = operations;
  for (const [index, name] of NAMES.entries()) {
    const original = real[index] as (...parameters: unknown[]) => unknown;
    const counted = (...parameters: unknown[]): unknown => {
      if (left-- <= 0) throw new Ended();
      return original(...parameters);
    };
    Object.assign(Atomics, { [name]: counted });
  }
  try {
    work();
    return false;
  } catch (error) {
    if (error instanceof Ended) return true;
    throw error;
  } finally {
    for (const [index, name] of NAMES.entries()) Object.assign(Atomics, { [name]: real[index] });
  }
}
