import type { HeaderBlock } from '../../base/headers.ts';
import type { CacheRules } from './policy.ts';

/**
 * The fields that are stored (RFC 9111, 3.1): without those of the connection, `Age` (made anew each time), what
 * `private=` and `no-cache=` withhold, and Set-Cookie where the rules say so.
 */
export function storedFields(headers: HeaderBlock, rules: CacheRules): HeaderBlock {
  throw new Error('to be written');
}

/** A section from lines as `HeaderBlock.serialize` writes them. */
export function readFields(lines: string): HeaderBlock {
  throw new Error('to be written');
}
