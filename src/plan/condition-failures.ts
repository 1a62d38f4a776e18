import { jsonString } from '../base/json-text.ts';
import type { ConditionFailure } from './condition.ts';
import type { LogSink } from './policy.ts';

/** A client can make a condition fail as often as it likes. */
const INTERVAL_MS = 60_000;

/** Tells that a condition could not be evaluated: the first time, and then once a minute with how often it was. */
export class FailureLog {
  readonly #log: LogSink;
  #since = 0;
  #reportedAt = Number.NEGATIVE_INFINITY;

  constructor(log: LogSink) {
    this.#log = log;
  }

  add({ condition, why, exchange }: ConditionFailure, now: number = performance.now()): void {
    this.#since++;
    if (now - this.#reportedAt < INTERVAL_MS) return;
    this.#log.write(
      `{"time":"${new Date().toISOString()}","event":"condition-failed","condition":${jsonString(condition.source)}` +
        `,"reason":${jsonString(why)},"times":${this.#since},"route":${jsonString(exchange.route.name)}` +
        `${exchange.id === '' ? '' : `,"requestId":${jsonString(exchange.id)}`}}\n`,
    );
    this.#since = 0;
    this.#reportedAt = now;
  }
}
