import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type BodySink, type BodySource, Chunk } from '../../plan/call.ts';
import { KeptBody } from './kept-body.ts';

/** Sends its pieces as a connection would: one at a time, and none while it is told to wait. */
class Source implements BodySource {
  readonly size = -1;
  readonly replayable = false;
  started = false;
  isWaiting = false;
  isCancelled = false;
  #sink: BodySink | null = null;
  #at = 0;
  #hasEnded = false;
  readonly #pieces: readonly string[];

  constructor(pieces: readonly string[]) {
    this.#pieces = pieces;
  }

  start(sink: BodySink): void {
    this.started = true;
    this.#sink = sink;
  }

  resume(): void {
    this.isWaiting = false;
  }

  cancel(): void {
    this.isCancelled = true;
  }

  /** False: there is nothing that could be sent now. */
  send(): boolean {
    const sink = this.#sink;
    if (sink === null || this.isWaiting || this.#hasEnded) return false;
    const piece = this.#pieces[this.#at++];
    if (piece === undefined) {
      this.#hasEnded = true;
      sink.end(null);
    } else if (!sink.data(Chunk.whole(Buffer.from(piece), false))) {
      this.isWaiting = true;
    }
    return true;
  }
}

class Attempt implements BodySink {
  readonly takesFramed = true;
  readonly passesContinue = true;
  body = '';
  ends = 0;
  /** What it takes before it asks to wait. */
  room = 0;

  data(chunk: Chunk): boolean {
    this.body += chunk.bytes.toString('utf8', chunk.start, chunk.end);
    return --this.room > 0;
  }

  end(): void {
    this.ends++;
  }

  abort(): void {}
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ kind: 'send' as const }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('resume' as const), room: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'lose' as const }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('start' as const), room: fc.integer({ min: 1, max: 4 }) }) },
);

test('whatever happens when, each attempt gets the body from its beginning and the last one all of it, once', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ minLength: 1, maxLength: 8, unit: 'grapheme-ascii' }), { maxLength: 12 }),
      fc.array(step, { maxLength: 40 }),
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 8 }),
      (pieces, steps, limit, room) => {
        const whole = pieces.join('');
        const source = new Source(pieces);
        const body = new KeptBody(source, limit, () => assert.fail('nothing breaks off'));
        let attempt: Attempt | null = new Attempt();
        const begin = (room: number): void => {
          attempt = new Attempt();
          attempt.room = room;
          body.start(attempt);
        };
        attempt.room = room;
        body.start(attempt);
        for (const each of steps) {
          if (each.kind === 'send') source.send();
          else if (each.kind === 'resume' && attempt !== null) {
            attempt.room = each.room;
            body.resume();
          } else if (each.kind === 'lose' && attempt !== null && body.replayable) {
            body.detach();
            attempt = null;
          } else if (each.kind === 'start' && attempt === null) {
            begin(each.room);
          }
          if (attempt !== null) assert.ok(whole.startsWith((attempt as Attempt).body));
        }
        if (attempt === null) begin(1);
        const last = attempt as unknown as Attempt;
        body.finish();
        last.room = Number.POSITIVE_INFINITY;
        for (let quiet = 0; quiet < 2; ) {
          body.resume();
          quiet = source.send() ? 0 : quiet + 1;
        }
        assert.equal(last.body, whole);
        assert.equal(last.ends, 1);
        assert.equal(source.isCancelled, false);
      },
    ),
    { numRuns: 2_000 },
  );
});

test('no more is kept than the bound and one piece', () => {
  const source = new Source(Array.from({ length: 100 }, () => 'x'.repeat(10)));
  const body = new KeptBody(source, 25, () => undefined);
  const attempt = new Attempt();
  attempt.room = 1_000;
  body.start(attempt);
  source.send();
  source.send();
  assert.equal(body.replayable, true);
  source.send();
  assert.equal(body.replayable, false);
  body.detach();
  while (source.send());
  assert.equal(attempt.body.length, 30);
});
