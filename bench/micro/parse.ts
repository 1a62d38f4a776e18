import { MessageHead } from '../../src/runtime/http1/message-head.ts';
import { parseRequestHead, parseResponseHead } from '../../src/runtime/http1/parse-head.ts';
import type { Micro } from './harness.ts';
import { inBuffer, LIMITS, REQUEST_HEAD, RESPONSE_HEAD } from './messages.ts';

/** What does it cost to read a head? */
function reading(measure: string, text: string, parse: typeof parseRequestHead): Micro {
  const { bytes, start, end } = inBuffer(text);
  const head = new MessageHead();
  if (parse(bytes, start, end, head, LIMITS) !== end) throw new Error(`${measure}: not parsed`);
  return {
    measure,
    run(times) {
      let sum = 0;
      for (let i = 0; i < times; i++) sum += parse(bytes, start, end, head, LIMITS) + head.headers.count;
      return sum;
    },
  };
}

export const parse: readonly Micro[] = [
  reading('parse a request head of 10 fields', REQUEST_HEAD, parseRequestHead),
  reading('parse a response head of 8 fields', RESPONSE_HEAD, parseResponseHead),
];
