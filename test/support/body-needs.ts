import { Chunk } from '../../src/plan/call.ts';
import type { BodyNeed } from '../../src/plan/policy.ts';

/** Body policies whose doing is easy to see. */

/** Wants at most 100 bytes as a whole and answers them in upper case. */
export const upper: BodyNeed = {
  buffer: 100,
  run: (_exchange, body) => Buffer.from(body.toString().toUpperCase()),
};

/** Doubles every byte as it flows. */
export const doubling: BodyNeed = {
  stream: (_exchange, next) => ({
    data(chunk) {
      const bytes = Buffer.from([...chunk.bytes.subarray(chunk.start, chunk.end)].flatMap((byte) => [byte, byte]));
      return next.data(Chunk.whole(bytes, false));
    },
    end: (trailers) => next.end(trailers),
    abort: (error) => next.abort(error),
  }),
};
