import { fieldName } from '../../src/base/headers.ts';
import { MessageHead } from '../../src/runtime/http1/message-head.ts';
import { parseRequestHead } from '../../src/runtime/http1/parse-head.ts';
import type { Micro } from './harness.ts';
import { inBuffer, LIMITS, REQUEST_HEAD } from './messages.ts';

/** What does it cost to write a section? Down to the bytes: joining strings alone defers the work. */

const { bytes, start, end } = inBuffer(REQUEST_HEAD);
const out = Buffer.alloc(16 * 1024);

const forwardedFor = fieldName('x-forwarded-for');
const forwardedProto = fieldName('x-forwarded-proto');
const forwardedHost = fieldName('x-forwarded-host');
const cacheControl = fieldName('cache-control');

function parsed(): MessageHead {
  const head = new MessageHead();
  if (parseRequestHead(bytes, start, end, head, LIMITS) !== end)
    throw new Error('the head of the benchmark is malformed');
  return head;
}

function writingUntouched(): Micro {
  const { headers } = parsed();
  return {
    measure: 'serialise a section of 10 fields, untouched',
    run(times) {
      let sum = 0;
      for (let i = 0; i < times; i++) sum += out.write(headers.serialize(), 0, 'latin1');
      return sum;
    },
  };
}

function forwarding(): Micro {
  const head = parsed();
  return {
    measure: 'parse it, remove one field, add three, serialise',
    run(times) {
      let sum = 0;
      for (let i = 0; i < times; i++) {
        parseRequestHead(bytes, start, end, head, LIMITS);
        const { headers } = head;
        headers.remove(cacheControl);
        headers.add(forwardedFor, '203.0.113.7');
        headers.add(forwardedProto, 'https');
        headers.add(forwardedHost, head.host);
        sum += out.write(headers.serialize(), 0, 'latin1');
      }
      return sum;
    },
  };
}

export const headers: readonly Micro[] = [writingUntouched(), forwarding()];
