import type { UpstreamCall } from '../../plan/call.ts';
import type { EndpointRecord } from '../../shared-memory/endpoint-record.ts';

/** An endpoint as strategies see it. */
export interface Candidate {
  /** In relation to the others, slow start included; above 0. */
  readonly weight: number;
  /** How far it has grown into its weight, in relation to the others: 1 unless it has just come. */
  readonly growth: number;
  /** The same for the same endpoint in every worker, process and machine. */
  readonly seed: number;
  /** What round-robin owes it. */
  credit: number;
  /** What all workers know about it; null where the strategy needs none. */
  readonly record: EndpointRecord | null;
}

/** Chooses where the next call goes. */
export interface Balancer<C extends Candidate> {
  /** Those to choose from: at least one. */
  update(candidates: readonly C[]): void;
  /** `now`: milliseconds of the clock that all threads share. */
  choose(call: UpstreamCall, now: number): C;
}

/** 0 to 1, without 1. */
export type Random = () => number;
