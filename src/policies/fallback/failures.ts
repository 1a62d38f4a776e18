import { errors, type GatewayError } from '../../base/gateway-error.ts';

/** What can make a fallback answer, in words of the configuration. */
export const failureWords = ['connect', 'timeout', 'reset', 'malformed', 'busy', 'circuit_open', 'overloaded'] as const;
export type FailureWord = (typeof failureWords)[number];

const errorsOf: Readonly<Record<FailureWord, readonly GatewayError[]>> = {
  connect: [
    errors.upstreamConnect,
    errors.upstreamConnectTimeout,
    errors.upstreamTls,
    errors.upstreamUnavailable,
    errors.upstreamCredentialsUnavailable,
  ],
  timeout: [errors.upstreamTimeout, errors.upstreamConnectTimeout, errors.handlerTimeout],
  reset: [errors.upstreamReset],
  malformed: [errors.upstreamMalformed],
  busy: [errors.upstreamBusy],
  circuit_open: [errors.circuitOpen],
  overloaded: [errors.overloaded],
};

/**
 * `overloaded` is not among them: it is the gateway's own word that a caller or a route has had its share, and another
 * service is no way around that.
 */
export const usualFailures = [
  'connect',
  'timeout',
  'reset',
  'malformed',
  'busy',
  'circuit_open',
  502,
  503,
  504,
] as const satisfies readonly (FailureWord | number)[];

/** Failures that a fallback answers for. Nothing that the client is at fault for is ever one of them. */
export class Failures {
  readonly #errors = new Set<GatewayError>();
  readonly #statuses = new Set<number>();

  constructor(on: readonly (FailureWord | number)[]) {
    for (const each of on) {
      if (typeof each === 'number') this.#statuses.add(each);
      else for (const error of errorsOf[each]) this.#errors.add(error);
    }
    // A handler that throws is its target's 500.
    if (this.#statuses.has(errors.internal.status)) this.#errors.add(errors.internal);
  }

  hasError(error: GatewayError): boolean {
    return this.#errors.has(error);
  }

  hasStatus(status: number): boolean {
    return status >= 400 && this.#statuses.has(status);
  }
}
