import type { Clock, Timer } from '../../base/clock.ts';
import type { HealthCheck } from '../../compile/upstream-work.ts';
import type { Endpoint, EndpointHealth } from '../../plan/upstream.ts';
import type { Probe } from './probe.ts';
import type { Turns } from './turns.ts';

export interface CheckPorts {
  readonly probe: Probe;
  readonly clock: Clock;
  readonly turns: Turns;
}

/** What a check says to the outside. */
export interface CheckOutlet {
  /** It has ended, well or not; `health` is what holds now. */
  checked(check: EndpointCheck, isGood: boolean): void;
  /** It is the first result, or another state than before. */
  changed(check: EndpointCheck, isFirst: boolean): void;
}

/**
 * One endpoint that is asked again and again. The first answer decides, whatever it is; after that it takes several in a
 * row, so that neither one lost packet nor one lucky answer moves anything.
 */
export class EndpointCheck {
  endpoint: Endpoint;
  /** Null: the first answer has not come. */
  health: EndpointHealth | null = null;
  lastFailure: { readonly at: number; readonly reason: string } | null = null;
  /** Resolves with the first answer. */
  readonly first: Promise<void>;
  readonly #settings: HealthCheck;
  readonly #ports: CheckPorts;
  readonly #outlet: CheckOutlet;
  readonly #stop = new AbortController();
  readonly #answered: () => void;
  /** Answers in a row that speak against what holds. */
  #against = 0;
  #next: Timer | null = null;

  constructor(endpoint: Endpoint, settings: HealthCheck, ports: CheckPorts, outlet: CheckOutlet) {
    this.endpoint = endpoint;
    this.#settings = settings;
    this.#ports = ports;
    this.#outlet = outlet;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.first = promise;
    this.#answered = resolve;
    void this.#check();
  }

  close(): void {
    this.#stop.abort();
    this.#next?.close();
    this.#answered();
  }

  async #check(): Promise<void> {
    const { interval, jitter, timeout } = this.#settings;
    const { clock, turns, probe } = this.#ports;
    let began = clock.now();
    const failure = await turns.run(async () => {
      began = clock.now();
      const { signal } = this.#stop;
      return signal.aborted
        ? null
        : await probe(this.endpoint, AbortSignal.any([signal, AbortSignal.timeout(timeout)]));
    });
    if (this.#stop.signal.aborted) return;
    if (failure !== null) this.lastFailure = { at: clock.now(), reason: failure };
    const [isFirst, isChange] = [this.health === null, this.#weigh(failure === null)];
    this.#outlet.checked(this, failure === null);
    if (isChange) this.#outlet.changed(this, isFirst);
    this.#answered();
    const whole = interval * (1 + jitter * (2 * clock.random() - 1));
    this.#next = clock.after(Math.max(0, whole - (clock.now() - began)), () => void this.#check());
  }

  /** True: another state holds now. */
  #weigh(isGood: boolean): boolean {
    const { healthyAfter, unhealthyAfter } = this.#settings;
    if (this.health !== null) {
      if (isGood === this.health.isHealthy) {
        this.#against = 0;
        return false;
      }
      this.#against++;
      if (this.#against < (isGood ? healthyAfter : unhealthyAfter)) return false;
    }
    this.#against = 0;
    this.health = { isHealthy: isGood, since: this.#ports.clock.now() };
    return true;
  }
}
