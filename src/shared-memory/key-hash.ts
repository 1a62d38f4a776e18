/**
 * 64 bits over a text, as two halves: what tables in shared memory tell keys apart by. Seeded, so that nobody outside can
 * aim keys at one place; the multiplications are those of MurmurHash3's finaliser. One object for many keys.
 */
export class KeyHash {
  high = 0;
  /** Never 0 or 1: tables use those for places that no key has. */
  low = 0;

  of(seedHigh: number, seedLow: number, text: string): void {
    let high = seedHigh;
    let low = seedLow;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      high = Math.imul(high ^ code, 0x85ebca6b);
      high ^= high >>> 15;
      low = Math.imul(low ^ code, 0xc2b2ae35);
      low ^= low >>> 13;
    }
    high = Math.imul(high ^ (low >>> 16), 0x2c1b3c6d);
    low = Math.imul(low ^ (high >>> 15), 0x297a2d39);
    this.high = high ^ (high >>> 13);
    low ^= low >>> 14;
    this.low = low === 0 || low === 1 ? low + 2 : low;
  }

  /** Both halves as one word. */
  get word(): bigint {
    return (BigInt(this.high) << 32n) | BigInt(this.low >>> 0);
  }
}
