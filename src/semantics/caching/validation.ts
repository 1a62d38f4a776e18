import type { HeaderBlock } from '../../base/headers.ts';
import type { StoredPolicy } from './policy.ts';

/** Whether there is anything to validate a stored response with. */
export function hasValidator(stored: StoredPolicy): boolean {
  throw new Error('to be written');
}

/**
 * Makes a request that validates the stored response (RFC 9111, 4.3.1): its validators take the place of the client's
 * conditions, which are answered from what comes out of it. Range and If-Range go too: the whole response is wanted.
 */
export function makeConditional(request: HeaderBlock, stored: StoredPolicy): void {
  throw new Error('to be written');
}

/** A request for the whole response, whatever the client has: for a miss that is to be stored. */
export function makeUnconditional(request: HeaderBlock): void {
  throw new Error('to be written');
}

/** Whether a 304 is about this stored response (RFC 9111, 4.3.4). False: the response has to be asked for again. */
export function isFreshenedBy(stored: StoredPolicy, notModified: HeaderBlock): boolean {
  throw new Error('to be written');
}

/**
 * What the response to a HEAD says about a stored response to GET (RFC 9111, 4.3.5): `freshens`: its fields are updated;
 * `invalidates`: it has changed; `nothing`: it was no 200.
 */
export function headSays(
  stored: StoredPolicy,
  status: number,
  head: HeaderBlock,
  storedLength: number,
): 'freshens' | 'invalidates' | 'nothing' {
  throw new Error('to be written');
}

/** Fields of a stored response after a 304 or HEAD: the new ones take their place (RFC 9111, 3.2). */
export function mergedFields(stored: HeaderBlock, received: HeaderBlock): HeaderBlock {
  throw new Error('to be written');
}
