import type { HeaderBlock } from '../base/headers.ts';

/**
 * A small service that a policy asks on the way (who is this caller?): through a pool of its own, with a bound on time and
 * size. For bodies that stream and calls that belong to the client there is `call.ts`.
 */
export interface Service {
  /** Rejects with `ServiceError`; any status resolves. */
  ask(request: ServiceRequest): Promise<ServiceAnswer>;
}

export interface ServiceRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** Without `host`, `connection` and framing. */
  readonly headers: HeaderBlock;
  /** Text goes out as UTF-8. */
  readonly body: string | null;
}

export interface ServiceAnswer {
  readonly status: number;
  readonly headers: HeaderBlock;
  readonly body: Buffer;
}

export interface ServiceOptions {
  /** `http:` or `https:`; only its origin counts. */
  readonly url: string;
  /** Milliseconds from asking to the last byte of the answer. */
  readonly timeout: number;
  /** Bytes of an answer's body; a longer one is a failure. */
  readonly maxBody: number;
}

/** No usable answer: `reason` is for logs and never for clients. */
export class ServiceError extends Error {
  readonly reason: 'connect' | 'timeout' | 'reset' | 'too-large' | 'malformed' | 'busy';

  constructor(reason: ServiceError['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}
