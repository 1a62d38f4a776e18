/** Endpoints that an operator has taken out, until the end of the process or until they are put back. */
export class Drains {
  readonly #byUpstream = new Map<string, Map<string, number>>();

  /** When it was taken out; null: it was not. */
  since(upstream: string, url: string): number | null {
    return this.#byUpstream.get(upstream)?.get(url) ?? null;
  }

  of(upstream: string): ReadonlyMap<string, number> {
    return this.#byUpstream.get(upstream) ?? new Map();
  }

  add(upstream: string, url: string, now: number): void {
    const drained = this.#byUpstream.get(upstream) ?? new Map<string, number>();
    this.#byUpstream.set(upstream, drained);
    drained.set(url, now);
  }

  remove(upstream: string, url: string): boolean {
    return this.#byUpstream.get(upstream)?.delete(url) ?? false;
  }
}
