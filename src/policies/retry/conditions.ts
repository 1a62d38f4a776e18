import { errors, type GatewayError } from '../../base/gateway-error.ts';
import type { RetryCondition } from './options.ts';

/** What is tried again, looked up when something failed. */
export class RetryConditions {
  readonly #connect: boolean;
  readonly #reset: boolean;
  readonly #timeout: boolean;
  readonly #statuses: ReadonlySet<number>;

  constructor(given: readonly RetryCondition[]) {
    this.#connect = given.includes('connect');
    this.#reset = given.includes('reset');
    this.#timeout = given.includes('timeout');
    this.#statuses = new Set(given.filter((each) => typeof each === 'number'));
  }

  hasStatus(status: number): boolean {
    return status >= 400 && this.#statuses.has(status);
  }

  hasError(error: GatewayError): boolean {
    switch (error) {
      case errors.upstreamConnect:
      case errors.upstreamTls:
      case errors.upstreamConnectTimeout:
        return this.#connect;
      case errors.upstreamReset:
      case errors.upstreamMalformed:
        return this.#reset;
      case errors.upstreamTimeout:
        return this.#timeout;
      default:
        return false;
    }
  }
}
