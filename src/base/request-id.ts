import { randomFillSync } from 'node:crypto';

/**
 * Request ids: 32 hexadecimal digits, of which 20 are random per process and thread and the rest count up. Unique without
 * a system call a request; not a secret, so nothing may be granted for knowing one.
 */
const prefix = Buffer.from(randomFillSync(new Uint8Array(10))).toString('hex');
let high = 0;
let low = 0;

export function newRequestId(): string {
  low = (low + 1) | 0;
  if (low === 0) high = (high + 1) & 0xffff;
  return prefix + (0x10000 + high).toString(16).slice(1) + (0x100000000 + (low >>> 0)).toString(16).slice(1);
}
