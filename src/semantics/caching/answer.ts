import type { HeaderBlock } from '../../base/headers.ts';
import type { StoredPolicy } from './policy.ts';

/**
 * How a request is answered from a complete stored response. `whole`: as stored; `not-modified`: 304 with the head of
 * `notModifiedFields`; `part`: 206, `unsatisfiable`: 416; `forward`: only the origin can decide.
 */
export interface Answer {
  kind: 'whole' | 'not-modified' | 'part' | 'unsatisfiable' | 'forward';
  /** Of a part: the first byte, and that past its last one. */
  start: number;
  end: number;
}

/** Reads conditions in the order of RFC 9110, 13.2.2, then Range (14.2). `length`: of the stored body. */
export function answerFromStored(
  method: string,
  request: HeaderBlock,
  stored: StoredPolicy,
  length: number,
  now: number,
): Answer {
  throw new Error('to be written');
}

/** Content-Range of a 206, or of a 416 (`unsatisfiable`). */
export function contentRange(answer: Answer, length: number): string {
  throw new Error('to be written');
}

/** The fields of a 304 (RFC 9110, 15.4.5) out of the stored ones. */
export function notModifiedFields(stored: HeaderBlock): HeaderBlock {
  throw new Error('to be written');
}
