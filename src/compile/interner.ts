/** A table in which equal values stand once. The same object is recognised at a glance, others by their JSON text. */
export class Interner<T> {
  readonly items: T[] = [];
  readonly #byObject = new Map<string, WeakMap<object, number>>();
  readonly #byText = new Map<string, number>();

  /** Index of `value` among those of its kind; `make` builds the entry of a new one. */
  indexOf(kind: string, value: unknown, make: () => T): number {
    if (typeof value !== 'object' || value === null) return this.#byJson(kind, value, make);
    let known = this.#byObject.get(kind);
    if (known === undefined) {
      known = new WeakMap();
      this.#byObject.set(kind, known);
    }
    let index = known.get(value);
    if (index === undefined) {
      index = this.#byJson(kind, value, make);
      known.set(value, index);
    }
    return index;
  }

  #byJson(kind: string, value: unknown, make: () => T): number {
    const text = `${kind} ${JSON.stringify(value)}`;
    let index = this.#byText.get(text);
    if (index === undefined) {
      index = this.items.push(make()) - 1;
      this.#byText.set(text, index);
    }
    return index;
  }
}
