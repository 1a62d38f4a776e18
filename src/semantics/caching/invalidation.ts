import type { HeaderBlock } from '../../base/headers.ts';

/** Not known to be safe (RFC 9110, 9.2.1): a successful response invalidates (RFC 9111, 4.4). */
export function isUnsafe(method: string): boolean {
  throw new Error('to be written');
}

/**
 * Targets (path and query) on the same origin whose stored responses a response to an unsafe method invalidates: its own,
 * and those in Location and Content-Location (RFC 9111, 4.4). Null: none, it was an error.
 */
export function invalidatedTargets(
  status: number,
  scheme: string,
  authority: string,
  target: string,
  headers: HeaderBlock,
): readonly string[] | null {
  throw new Error('to be written');
}
