import type { Closable } from '../plan/policy.ts';

/** Who wants to know that a collection changed. Changes that come together are told once, and never inside a call. */
export class Watchers {
  readonly #byCollection = new Map<string, Set<() => void>>();
  readonly #changed = new Set<string>();
  readonly #problem: (message: string) => void;
  #telling: NodeJS.Immediate | null = null;

  constructor(problem: (message: string) => void) {
    this.#problem = problem;
  }

  get collections(): Iterable<string> {
    return this.#byCollection.keys();
  }

  get size(): number {
    return this.#byCollection.size;
  }

  add(collection: string, changed: () => void): Closable {
    // The same function may watch twice, and each is closed on its own.
    const own = (): void => changed();
    const present = this.#byCollection.get(collection);
    if (present === undefined) this.#byCollection.set(collection, new Set([own]));
    else present.add(own);
    return {
      close: () => {
        const left = this.#byCollection.get(collection);
        if (left?.delete(own) && left.size === 0) this.#byCollection.delete(collection);
      },
    };
  }

  changed(collection: string): void {
    this.#changed.add(collection);
    this.#telling ??= setImmediate(() => this.#tell());
  }

  allChanged(): void {
    for (const collection of this.#byCollection.keys()) this.changed(collection);
  }

  close(): void {
    this.#byCollection.clear();
    if (this.#telling !== null) clearImmediate(this.#telling);
    this.#telling = null;
  }

  #tell(): void {
    this.#telling = null;
    const collections = [...this.#changed];
    this.#changed.clear();
    for (const collection of collections) {
      for (const changed of [...(this.#byCollection.get(collection) ?? [])]) {
        try {
          changed();
        } catch (error) {
          this.#problem(`a change of \`${collection}\` was not taken in: ${(error as Error).message}`);
        }
      }
    }
  }
}
