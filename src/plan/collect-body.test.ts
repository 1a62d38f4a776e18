import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errors } from '../base/gateway-error.ts';
import { type BodySink, type BodySource, Chunk } from './call.ts';
import { collectBody } from './collect-body.ts';

class TestSource implements BodySource {
  readonly size: number;
  readonly replayable = false;
  started = false;
  cancelled = 0;
  sink: BodySink | null = null;

  constructor(size = -1) {
    this.size = size;
  }

  start(sink: BodySink): void {
    this.started = true;
    this.sink = sink;
  }
  resume(): void {}
  cancel(): void {
    this.cancelled++;
  }

  /** Hands over a piece in a buffer that is used again at once. */
  give(text: string): void {
    const chunk = new Chunk(Buffer.from(`..${text}..`));
    chunk.start = 2;
    chunk.end = 2 + Buffer.byteLength(text);
    chunk.payload = chunk.end - 2;
    this.sink?.data(chunk);
    chunk.bytes.fill(0);
  }
}

test('a body in pieces is put together', async () => {
  const source = new TestSource();
  const body = collectBody(source, 10);
  for (const piece of ['one', '', 'two', 'four']) source.give(piece);
  source.sink?.end(null);
  assert.equal(String(await body), 'onetwofour');
  assert.deepEqual(await collectBody(null, 10), Buffer.alloc(0));
});

test('one that says that it is too long is not begun, and one that is, is not kept', async () => {
  const announced = new TestSource(11);
  assert.equal(await collectBody(announced, 10), errors.bodyTooLarge);
  assert.equal(announced.started, false);
  const source = new TestSource();
  const body = collectBody(source, 10);
  for (let i = 0; i < 5; i++) source.give('four');
  assert.equal(await body, errors.bodyTooLarge);
  assert.equal(source.cancelled, 1);
});

test('one that stays incomplete says why', async () => {
  const source = new TestSource();
  const body = collectBody(source, 10);
  source.give('one');
  source.sink?.abort(errors.clientClosed);
  assert.equal(await body, errors.clientClosed);
});
