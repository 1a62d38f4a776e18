import { randomBytes } from 'node:crypto';

/** Name, HMAC key and AES key of TLS session tickets, 16 bytes each. */
const TICKET_KEY_BYTES = 48;
/** A leaked key opens only the sessions of half a day (RFC 9325, 7.4: rotate ticket keys regularly). */
const ROTATE_MS = 12 * 3_600_000;

/** Session tickets resume across workers only under the same keys, so the supervisor makes them and all workers get them. */
export class TicketKeys {
  current: Uint8Array = randomBytes(TICKET_KEY_BYTES);
  readonly #timer: NodeJS.Timeout;

  constructor(publish: (keys: Uint8Array) => void, rotateMs: number = ROTATE_MS) {
    this.#timer = setInterval(() => {
      this.current = randomBytes(TICKET_KEY_BYTES);
      publish(this.current);
    }, rotateMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
