import type { GatewayError } from '../../base/gateway-error.ts';
import { type Circuit, type Outcome, outcome, REFUSED } from '../../plan/breaker.ts';
import type { Dispatch } from '../../plan/call.ts';
import type { Exchange } from '../../plan/exchange.ts';
import type { Endpoint, EndpointGuard } from '../../plan/upstream.ts';
import type { Failures } from './options.ts';

/** More endpoints than one upstream has: those that were not met for longest make room, and find their state again. */
const MAX_CIRCUITS = 512;

export interface GuardedEndpoints {
  /** Opens the circuit breaker of an endpoint. */
  open(endpoint: Endpoint): Circuit;
  readonly failures: Failures;
  readonly slowerThan: number;
  readonly report: ((exchange: Exchange) => void) | null;
}

/** A circuit breaker for each endpoint of an upstream, from when it is first met. */
export class EndpointCircuits {
  readonly guarded: GuardedEndpoints;
  readonly #byUrl = new Map<string, Circuit>();

  constructor(guarded: GuardedEndpoints) {
    this.guarded = guarded;
  }

  wrap(next: Dispatch): Dispatch {
    return (call, sink) => {
      call.guard = new GuardedEndpoint(this, call.exchange);
      next(call, sink);
    };
  }

  of(endpoint: Endpoint): Circuit {
    const known = this.#byUrl.get(endpoint.url);
    if (known !== undefined) return known;
    if (this.#byUrl.size >= MAX_CIRCUITS) {
      for (const [url, circuit] of this.#byUrl) {
        this.#byUrl.delete(url);
        circuit.close();
        break;
      }
    }
    const opened = this.guarded.open(endpoint);
    this.#byUrl.set(endpoint.url, opened);
    return opened;
  }
}

/** What one call may meet, and what came of it: it is at one endpoint at a time. */
class GuardedEndpoint implements EndpointGuard {
  readonly #circuits: EndpointCircuits;
  readonly #exchange: Exchange | null;
  #circuit: Circuit | null = null;
  #token = REFUSED;

  constructor(circuits: EndpointCircuits, exchange: Exchange | null) {
    this.#circuits = circuits;
    this.#exchange = exchange;
  }

  admits(endpoint: Endpoint): boolean {
    const circuit = this.#circuits.of(endpoint);
    this.#token = circuit.admit();
    this.#circuit = circuit;
    if (this.#token !== REFUSED) return true;
    const { report } = this.#circuits.guarded;
    const exchange = this.#exchange;
    if (report === null) {
      if (exchange !== null) exchange.retryAfter = circuit.retryAfter();
      return false;
    }
    if (exchange !== null) report(exchange);
    return true;
  }

  settled(_endpoint: Endpoint, status: number, error: GatewayError | null, milliseconds: number): void {
    const circuit = this.#circuit;
    this.#circuit = null;
    if (circuit === null || this.#token === REFUSED) return;
    const { slowerThan } = this.#circuits.guarded;
    circuit.settle(this.#token, this.#outcome(status, error), slowerThan > 0 && milliseconds >= slowerThan);
  }

  #outcome(status: number, error: GatewayError | null): Outcome {
    const { failures } = this.#circuits.guarded;
    const isFailure = error === null ? null : failures.hasError(error);
    if (isFailure === true) return outcome.failure;
    if (status === 0) return outcome.unknown;
    return failures.hasStatus(status) ? outcome.failure : outcome.success;
  }
}
