import { errors, type GatewayError } from '../../base/gateway-error.ts';
import type { ResponseStore } from '../../plan/response-store.ts';
import { encodeFailure, type StoredHeads } from './stored-head.ts';

/** The service did answer, and those to whom no stale response may be given ask it themselves. */
export const ANSWERED = 'answered';
const byCode = new Map<string, GatewayError>(Object.values(errors).map((error) => [error.code, error]));

/**
 * Failed fetches, for all workers: whoever waited for one learns that it failed, instead of asking a service that is
 * down a thousand times at once.
 */
export class Failures {
  readonly #store: ResponseStore;
  readonly #heads: StoredHeads;

  constructor(store: ResponseStore, heads: StoredHeads) {
    this.#store = store;
    this.#heads = heads;
  }

  /** `error`: null when the service itself answered with one. */
  note(key: string, error: GatewayError | null, now: number): void {
    const fill = this.#store.begin(keyOf(key));
    if (!fill.leads) {
      fill.leave();
      return;
    }
    const meta = encodeFailure(error === null ? ANSWERED : error.code, now);
    if (meta !== null && fill.open(keyOf(key), meta, [], 0)) fill.commit();
    else fill.abandon();
  }

  /** Null: none since then. */
  since(key: string, time: number): GatewayError | typeof ANSWERED | null {
    const stored = this.#store.find(keyOf(key));
    if (stored === null) return null;
    const head = this.#heads.of(stored.meta, stored.body.length);
    stored.release();
    if (head?.kind !== 'failure' || head.policy.responseTime < time) return null;
    if (head.code === ANSWERED) return ANSWERED;
    return byCode.get(head.code) ?? errors.upstreamReset;
  }
}

function keyOf(key: string): string {
  return `${key}\n!`;
}
