import {
  createNamedSlotShares,
  createNamedSlots,
  type NamedSlotSegments,
  NamedSlots,
  reclaimNamedSlots,
} from '../../src/shared-memory/named-slots.ts';

/** States of endpoints, breakers and budgets, as the workers of one process share them. */
export class TestStates {
  readonly #shared = createNamedSlots(256, [7, 11]);
  readonly #workers = new Map<NamedSlots, NamedSlotSegments>();

  worker(): NamedSlots {
    const segments = {
      shared: this.#shared,
      shares: createNamedSlotShares(this.#shared),
      owner: this.#workers.size + 1,
    };
    const slots = new NamedSlots(segments);
    this.#workers.set(slots, segments);
    return slots;
  }

  /** As after the end of that worker's thread. */
  lose(worker: NamedSlots): void {
    const segments = this.#workers.get(worker);
    if (segments !== undefined) reclaimNamedSlots(segments);
  }
}
