/** Keys of the last seconds, as far as there is room: what is forgotten is only found out again. */
export class RecentKeys {
  readonly #max: number;
  readonly #lifetime: number;
  readonly #keys = new Map<string, number>();

  constructor(max: number, lifetime: number) {
    this.#max = max;
    this.#lifetime = lifetime;
  }

  has(key: string, now: number): boolean {
    const since = this.#keys.get(key);
    if (since === undefined) return false;
    // Also when the clock was set back.
    if (now >= since && now - since < this.#lifetime) return true;
    this.#keys.delete(key);
    return false;
  }

  add(key: string, now: number): void {
    this.#keys.delete(key);
    if (this.#keys.size >= this.#max) {
      const oldest = this.#keys.keys().next();
      if (!oldest.done) this.#keys.delete(oldest.value);
    }
    this.#keys.set(key, now);
  }

  delete(key: string): void {
    this.#keys.delete(key);
  }
}
