import type { ListenerPlan, Plan } from '../plan/plan.ts';
import { type Accept, type Admits, Listener } from './listener.ts';

/** What a worker listens on, by address. A listener that the next plan has too is never closed in between. */
export class Listeners {
  readonly #byAddress = new Map<string, Listener>();
  readonly #ownsUnixSockets: boolean;
  readonly #accept: Accept;
  readonly #admits: Admits;
  #ticketKeys: Buffer | null;

  constructor(ticketKeys: Buffer | null, ownsUnixSockets: boolean, accept: Accept, admits: Admits) {
    this.#ticketKeys = ticketKeys;
    this.#ownsUnixSockets = ownsUnixSockets;
    this.#accept = accept;
    this.#admits = admits;
  }

  /** Binds what the plan listens on and this worker does not yet. On failure everything is as it was. */
  async prepare(plan: Plan): Promise<void> {
    const bound: Listener[] = [];
    try {
      for (const wanted of plan.listeners) {
        if (wanted.path !== null && !this.#ownsUnixSockets) continue;
        const present = this.#byAddress.get(wanted.address);
        if (present !== undefined) {
          present.prepare(wanted);
          continue;
        }
        const listener = new Listener(wanted, this.#ticketKeys, this.#accept, this.#admits);
        bound.push(listener);
        await listener.bind();
        this.#byAddress.set(wanted.address, listener);
      }
    } catch (error) {
      for (const listener of bound) {
        listener.close();
        const { address } = listener.plan;
        if (this.#byAddress.get(address) === listener) this.#byAddress.delete(address);
      }
      throw error;
    }
  }

  /** Closes what was bound for a plan that will not be committed; `served` is the one that stays. */
  abandon(served: Plan | null): void {
    const kept = new Set(served?.listeners.map(({ address }) => address));
    for (const address of this.#byAddress.keys()) if (!kept.has(address)) this.#close(address);
  }

  /** Closes what the plan does not listen on; the rest follows it from here on. */
  commit(plan: Plan): void {
    const wanted = new Map<string, ListenerPlan>(plan.listeners.map((each) => [each.address, each]));
    for (const [address, listener] of this.#byAddress) {
      const next = wanted.get(address);
      if (next === undefined) {
        this.#close(address);
      } else {
        listener.update(next);
        listener.activate();
      }
    }
  }

  setTicketKeys(keys: Buffer): void {
    this.#ticketKeys = keys;
    for (const listener of this.#byAddress.values()) listener.setTicketKeys(keys);
  }

  close(): void {
    for (const address of this.#byAddress.keys()) this.#close(address);
  }

  #close(address: string): void {
    this.#byAddress.get(address)?.close();
    this.#byAddress.delete(address);
  }
}
