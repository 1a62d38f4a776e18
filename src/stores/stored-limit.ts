import { hash } from 'node:crypto';
import type { LimitUse } from '../plan/limiter.ts';
import { fairShare } from './fair-share.ts';
import { answerSize, limitSpec } from './limit-script.ts';

/** 132 bits of SHA-256: nobody finds a key that shares another one's bucket. */
const DIGEST_LENGTH = 22;

/** A limit as the store sees it: computed once. */
export class StoredLimit {
  readonly use: LimitUse;
  readonly answerSize: number;
  readonly #before: string;
  readonly #after: string;
  readonly #one: string;
  #share: LimitUse;
  #instances = 1;

  constructor(use: LimitUse, prefix: string) {
    this.use = use;
    this.answerSize = answerSize(use);
    this.#before = `${prefix}:limit:{`;
    this.#after = `}:${(use.id >>> 0).toString(36)}`;
    this.#one = limitSpec(use, 1, false);
    this.#share = use;
  }

  /**
   * Of a bounded length, and without what is counted by: that may be a credential. The limits of one caller are in one
   * slot of a cluster.
   */
  keyName(key: string): string {
    return this.#before + hash('sha256', key, 'base64url').slice(0, DIGEST_LENGTH) + this.#after;
  }

  spec(cost: number, isCharge: boolean): string {
    return cost === 1 && !isCharge ? this.#one : limitSpec(this.use, cost, isCharge);
  }

  /** What this machine may grant on its own, as one of so many. */
  share(instances: number, cost: number): LimitUse {
    if (instances !== this.#instances) {
      this.#instances = instances;
      this.#share = fairShare(this.use, instances, 1);
    }
    const { rate } = this.#share;
    const room = rate.algorithm === 'gcra' ? rate.burst : rate.limit;
    return cost <= room ? this.#share : fairShare(this.use, instances, cost);
  }
}
