import { errors, type GatewayError } from '../base/gateway-error.ts';
import type { BodySource, Chunk } from './call.ts';

/** A whole request body of at most `limit` bytes, for those who answer themselves and have no route's hooks. */
export function collectBody(source: BodySource | null, limit: number): Promise<Buffer | GatewayError> {
  if (source === null) return Promise.resolve(Buffer.alloc(0));
  if (source.size > limit) return Promise.resolve(errors.bodyTooLarge);
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    let length = 0;
    source.start({
      takesFramed: false,
      passesContinue: false,
      data(chunk: Chunk) {
        if (length > limit) return true;
        length += chunk.end - chunk.start;
        if (length <= limit) {
          pieces.push(Buffer.from(chunk.bytes.subarray(chunk.start, chunk.end)));
          return true;
        }
        source.cancel();
        resolve(errors.bodyTooLarge);
        return true;
      },
      end: () => resolve(Buffer.concat(pieces)),
      abort: (error) => resolve(error),
    });
  });
}
