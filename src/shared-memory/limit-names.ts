import { hash32 } from '../plan/limiter.ts';
import { LIMIT_SERIES, OTHER_LIMITS } from './metrics.ts';

/**
 * Which limit is counted in which series, in memory that all workers share: whoever opens a limit first writes its name,
 * everybody later finds it. A name keeps its series as long as the process lives, so that counters go on over reloads.
 *
 * An entry: hash of the name (0: free), length of its text once that is written, text. Longer texts are cut.
 */
const ENTRY_BYTES = 256;
const HEAD_BYTES = 8;
const HASH = 0;
const LENGTH = 1;
const ENTRY_WORDS = ENTRY_BYTES / 4;

export interface NamedLimit {
  readonly series: number;
  readonly scope: string;
  readonly limit: string;
}

export class LimitNames {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;

  /** The last series has no entry: it counts what finds none. */
  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(OTHER_LIMITS * ENTRY_BYTES)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
    this.#bytes = new Uint8Array(buffer);
  }

  seriesOf(scope: string, limit: string): number {
    const text = `${scope}\n${limit}`;
    const hash = hash32(text) | 0 || 1;
    const first = (hash >>> 0) % OTHER_LIMITS;
    for (let i = 0; i < OTHER_LIMITS; i++) {
      const series = (first + i) % OTHER_LIMITS;
      const found = Atomics.compareExchange(this.#words, series * ENTRY_WORDS + HASH, 0, hash);
      if (found === hash) return series;
      if (found !== 0) continue;
      this.#write(series, text);
      return series;
    }
    return OTHER_LIMITS;
  }

  read(): NamedLimit[] {
    const found: NamedLimit[] = [];
    for (let series = 0; series < OTHER_LIMITS; series++) {
      const length = Atomics.load(this.#words, series * ENTRY_WORDS + LENGTH);
      if (length === 0) continue;
      const at = series * ENTRY_BYTES + HEAD_BYTES;
      const text = Buffer.from(this.#bytes.slice(at, at + length)).toString();
      const end = text.lastIndexOf('\n');
      found.push({ series, scope: text.slice(0, end), limit: text.slice(end + 1) });
    }
    found.push({ series: LIMIT_SERIES - 1, scope: '', limit: 'other' });
    return found;
  }

  /** The name of the limit is what must not be cut: it comes last, and the scope gives way. */
  #write(series: number, text: string): void {
    const bytes = Buffer.from(text);
    const room = ENTRY_BYTES - HEAD_BYTES;
    const name = bytes.subarray(bytes.lastIndexOf(10));
    const whole = bytes.length <= room ? bytes : Buffer.concat([bytes.subarray(0, room - name.length), name]);
    this.#bytes.set(whole, series * ENTRY_BYTES + HEAD_BYTES);
    Atomics.store(this.#words, series * ENTRY_WORDS + LENGTH, whole.length);
  }
}
