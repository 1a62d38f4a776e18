/**
 * What outlives a plan: upstream pools and the like. Plans hold leases by options, so that over a reload everything whose
 * options are equal carries on with its connections, and the rest is closed with the last plan that used it.
 */
export interface Lease<T> {
  readonly resource: T;
  /** Once; further calls do nothing. */
  release(): void;
}

interface Held<T> {
  readonly resource: T;
  leases: number;
}

export class Resources<Options, T extends { close(): void }> {
  readonly #open: (options: Options) => T;
  readonly #held = new Map<string, Held<T>>();

  constructor(open: (options: Options) => T) {
    this.#open = open;
  }

  get size(): number {
    return this.#held.size;
  }

  acquire(options: Options): Lease<T> {
    const key = JSON.stringify(options);
    let held = this.#held.get(key);
    if (held === undefined) {
      held = { resource: this.#open(options), leases: 0 };
      this.#held.set(key, held);
    }
    held.leases++;
    return this.#lease(key, held);
  }

  #lease(key: string, held: Held<T>): Lease<T> {
    let released = false;
    return {
      resource: held.resource,
      release: () => {
        if (released) return;
        released = true;
        held.leases--;
        if (held.leases > 0) return;
        this.#held.delete(key);
        held.resource.close();
      },
    };
  }
}
