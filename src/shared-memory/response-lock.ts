/** Locks are held for microseconds; who holds one longer was suspended, or ended with it. */
const SPINS = 200;
const PATIENCE_MS = 25;
const NAP_MS = 1;
/** Where others wait: the word after the lock's. */
const WAITERS = 1;

/**
 * A lock in shared memory; it names its owner, so that the main thread can take it from one that has ended. Nobody waits
 * for ever: who does not get it gives up what needed it.
 */
export class ResponseLock {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #id: number;

  /** `id`: above 0 and different in every thread. */
  constructor(words: Int32Array, at: number, id: number) {
    this.#words = words;
    this.#at = at;
    this.#id = id;
  }

  take(): boolean {
    const words = this.#words;
    const at = this.#at;
    for (let spins = 0; spins < SPINS; spins++) {
      if (Atomics.compareExchange(words, at, 0, this.#id) === 0) return true;
    }
    return this.#wait();
  }

  release(): void {
    Atomics.store(this.#words, this.#at, 0);
    if (Atomics.load(this.#words, this.#at + WAITERS) > 0) Atomics.notify(this.#words, this.#at, 1);
  }

  /** Takes it from one that has ended. False: it did not have it. */
  inherit(dead: number): boolean {
    return Atomics.compareExchange(this.#words, this.#at, dead, this.#id) === dead;
  }

  #wait(): boolean {
    const words = this.#words;
    const end = performance.now() + PATIENCE_MS;
    // One that is ended while it waits leaves the number too high: then others are told though nobody waits.
    Atomics.add(words, this.#at + WAITERS, 1);
    let isOurs = false;
    do {
      const holder = Atomics.compareExchange(words, this.#at, 0, this.#id);
      isOurs = holder === 0;
      if (!isOurs) Atomics.wait(words, this.#at, holder, NAP_MS);
    } while (!isOurs && performance.now() < end);
    Atomics.sub(words, this.#at + WAITERS, 1);
    return isOurs;
  }
}
