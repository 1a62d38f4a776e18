import { fieldName, type HeaderBlock } from '../../base/headers.ts';
import { type CallRunner, Chunk, ResponseHead, type Sink, type UpstreamCall } from '../../plan/call.ts';
import type { StoredResponse } from '../../plan/response-store.ts';
import { type Answer, answerFromStored, contentRange, notModifiedFields } from '../../semantics/caching/answer.ts';
import { ageSeconds } from '../../semantics/caching/freshness.ts';
import type { StoredHead } from './stored-head.ts';

const age = fieldName('age');
const contentLength = fieldName('content-length');
const contentRangeField = fieldName('content-range');
const ifModifiedSince = fieldName('if-modified-since');
const ifNoneMatch = fieldName('if-none-match');
const range = fieldName('range');

const WHOLE: Answer = { kind: 'whole', start: 0, end: 0 };

/** How this request is answered out of a response whose body has so many bytes, -1: nobody knows yet. */
export function answerFor(call: UpstreamCall, head: StoredHead, length: number, now: number): Answer {
  const { headers, method } = call;
  // Most requests have none of them.
  if (!headers.has(ifNoneMatch) && !headers.has(ifModifiedSince) && !headers.has(range)) return WHOLE;
  const answer = answerFromStored(method, headers, head.policy, Math.max(0, length), now);
  return length < 0 && answer.kind !== 'not-modified' ? WHOLE : answer;
}

/** The head of such an answer; `length`: of the whole body. */
export function answerHead(answer: Answer, head: StoredHead, length: number, now: number): ResponseHead {
  const seconds = String(ageSeconds(head.policy, now));
  let fields: HeaderBlock;
  let status = 304;
  let size = 0;
  switch (answer.kind) {
    case 'not-modified':
      fields = notModifiedFields(head.fields);
      fields.set(age, seconds);
      return new ResponseHead(304, fields, 'none', -1);
    case 'part':
      status = 206;
      size = answer.end - answer.start;
      break;
    case 'unsatisfiable':
      status = 416;
      break;
    default:
      fields = head.fields.clone();
      fields.add(age, seconds);
      return new ResponseHead(head.policy.status, fields, head.framing, head.framing === 'length' ? length : -1);
  }
  fields = head.fields.clone();
  fields.set(contentRangeField, contentRange(answer, length));
  fields.set(contentLength, String(size));
  fields.set(age, seconds);
  return new ResponseHead(status, fields, 'length', size);
}

/** One for all answers of a worker: nobody keeps it beyond a call. */
const piece = new Chunk(Buffer.alloc(0));

/** Answers from a stored response and gives it back as soon as the client has taken all of it. */
export function sendStored(
  call: UpstreamCall,
  sink: Sink,
  stored: StoredResponse,
  head: StoredHead,
  now: number,
): void {
  const { body } = stored;
  const answer = answerFor(call, head, body.length, now);
  call.runner = untaken;
  sink.head(answerHead(answer, head, body.length, now));
  if (call.runner !== untaken) {
    stored.release();
    return;
  }
  let start = 0;
  let end = 0;
  if (call.method !== 'HEAD') {
    if (answer.kind === 'whole') end = body.length;
    else if (answer.kind === 'part') ({ start, end } = answer);
  }
  if (start === end) {
    call.runner = null;
    stored.release();
    sink.end(null);
    return;
  }
  piece.bytes = body;
  piece.start = start;
  piece.end = end;
  piece.payload = end - start;
  // It cannot change before it is given back.
  piece.stable = true;
  const isTaken = sink.data(piece);
  piece.bytes = nothing;
  if (call.runner !== untaken) {
    stored.release();
  } else if (isTaken) {
    call.runner = null;
    stored.release();
    sink.end(null);
  } else {
    call.runner = new SlowTaker(sink, stored);
  }
}
const nothing = Buffer.alloc(0);

/** While the sink takes what it is given: whoever cancels meanwhile gets nothing more, and nobody else would notice. */
const untaken: CallRunner = {
  resumeCall: () => undefined,
  cancelCall: (call) => {
    call.runner = null;
  },
};

/** The client takes its time: what is stored stays where it is until then. */
class SlowTaker implements CallRunner {
  readonly #sink: Sink;
  readonly #stored: StoredResponse;

  constructor(sink: Sink, stored: StoredResponse) {
    this.#sink = sink;
    this.#stored = stored;
  }

  resumeCall(call: UpstreamCall): void {
    call.runner = null;
    this.#stored.release();
    this.#sink.end(null);
  }

  cancelCall(call: UpstreamCall): void {
    call.runner = null;
    this.#stored.release();
  }
}
