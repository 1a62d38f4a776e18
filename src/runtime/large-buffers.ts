import { Buffer } from 'node:buffer';

/**
 * Large buffers of the worker, used over and over: to allocate one costs more than to fill it. A connection reads a large
 * body into one (four times fewer system calls than with the shared one), and a write that has to be copied takes one.
 */
export const LARGE_BYTES = 262_144;
const MAX_FREE = 32;

const free: Buffer[] = [];

export function takeLarge(): Buffer {
  return free.pop() ?? Buffer.allocUnsafeSlow(LARGE_BYTES);
}

/** Only once nobody reads from it or writes into it any more. */
export function returnLarge(buffer: Buffer): void {
  if (free.length < MAX_FREE) free.push(buffer);
}
