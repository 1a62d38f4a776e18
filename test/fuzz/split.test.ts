import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { requestCases } from '../conformance/hostile-requests.ts';
import { responseCases } from '../conformance/hostile-responses.ts';
import { type ReadOptions, readPieces, type Transcript } from '../support/codec.ts';
import { answering, connectRaw, OK, startRawUpstream } from '../support/raw.ts';
import { startRuntime } from '../support/runtime.ts';
import { cuts, mutated, piecesOf, request, requests, response } from './messages.ts';
import { announce, runs, seed } from './settings.ts';

/**
 * However the network cuts a message, it is the same message. What stands in memory behind the received bytes plays no
 * part either, so each kind of split has another text there.
 */
const behind = ['', '\r\n\r\n', '.0 HTTP/1.1\r\nHost: b\r\n\r\n', '000000', '\n: chunked\r\n'] as const;

function sameHoweverCut(text: string, cutsOfText: Iterable<readonly string[]>, options: ReadOptions): Transcript {
  const whole = readPieces([text], options);
  let turn = 0;
  for (const pieces of cutsOfText) {
    const split = readPieces(pieces, { ...options, behind: behind[turn++ % behind.length] as string });
    assert.deepEqual(split, whole, JSON.stringify(pieces));
  }
  // Framed pieces hold the same data as decoded ones.
  if (options.verbatim) assert.deepEqual(readPieces([text], { ...options, verbatim: false }), whole);
  return whole;
}

function* everyBoundary(text: string): Generator<readonly string[]> {
  for (let at = 1; at < text.length; at++) yield [text.slice(0, at), text.slice(at)];
  yield text.split('');
}

const SHORT = 1_000;

suite('messages split at every byte', () => {
  test('requests of the table', () => {
    for (const { bytes, name } of requestCases) {
      for (const verbatim of [false, true]) {
        const pieces = bytes.length <= SHORT ? everyBoundary(bytes) : [piecesOf(bytes, [0.1, 0.5, 0.9, 0.999])];
        assert.doesNotThrow(() => sameHoweverCut(bytes, pieces, { kind: 'request', verbatim }), name);
      }
    }
  });

  test('responses of the table', () => {
    for (const { bytes, method, name } of responseCases) {
      if (bytes.length > SHORT) continue;
      for (const verbatim of [false, true]) {
        const options = { kind: 'response', verbatim, method } as const;
        assert.doesNotThrow(() => sameHoweverCut(bytes, everyBoundary(bytes), options), name);
      }
    }
  });

  test('arbitrary requests in a row', (context) => {
    const numRuns = runs(60);
    announce(context, numRuns);
    const property = fc.property(requests, fc.boolean(), (text, verbatim) => {
      const { end } = sameHoweverCut(text, everyBoundary(text), { kind: 'request', verbatim });
      assert.notEqual(end, 'incomplete');
    });
    fc.assert(property, { seed, numRuns });
  });

  test('arbitrary responses', (context) => {
    const numRuns = runs(60);
    announce(context, numRuns);
    const property = fc.property(response, fc.boolean(), ({ method, text }, verbatim) => {
      const { end } = sameHoweverCut(text, everyBoundary(text), { kind: 'response', verbatim, method });
      assert.equal(end, null);
    });
    fc.assert(property, { seed, numRuns });
  });
});

suite('messages in random pieces', () => {
  const mutatedRequest = mutated(requests, (text) => text);
  const mutatedResponse = mutated(response, ({ text }) => text);

  test('requests, whole and broken', (context) => {
    const numRuns = runs(1_000);
    announce(context, numRuns);
    const property = fc.property(fc.oneof(requests, mutatedRequest), cuts, fc.boolean(), (text, places, verbatim) => {
      sameHoweverCut(text, [piecesOf(text, places)], { kind: 'request', verbatim });
    });
    fc.assert(property, { seed, numRuns });
  });

  test('responses, whole and broken', (context) => {
    const numRuns = runs(1_000);
    announce(context, numRuns);
    const property = fc.property(mutatedResponse, cuts, fc.boolean(), (text, places, verbatim) => {
      sameHoweverCut(text, [piecesOf(text, places)], { kind: 'response', verbatim });
    });
    fc.assert(property, { seed, numRuns });
  });
});

suite('requests and responses in random pieces over sockets', () => {
  test('what is forwarded and answered is the same', async (context) => {
    const numRuns = runs(25);
    announce(context, numRuns);
    let answer = { pieces: [OK] };
    const seen: { line: string; fields: unknown; body: string }[] = [];
    const upstream = await startRawUpstream(
      answering(({ method, target, fields, body }, peer) => {
        seen.push({ line: `${method} ${target}`, fields, body: body.latin1Slice() });
        void peer.sendPieces(answer.pieces);
        return '';
      }),
    );
    const runtime = await startRuntime({ upstreams: upstream.url });
    try {
      const ask = async (pieces: readonly string[], method: string, answerPieces: readonly string[]) => {
        answer = { pieces: [...answerPieces] };
        seen.length = 0;
        const client = await connectRaw(runtime.port);
        await client.sendPieces(pieces);
        const { status, fields, body, trailers } = await client.response(method);
        client.destroy();
        const kept = fields.filter(([name]) => name !== 'date');
        return { status, fields: kept, body: body.latin1Slice(), trailers, seen: [...seen] };
      };
      const whole = request.filter((text) => /^(?:GET|POST|PUT) \/[^%.]* HTTP/.test(text) && !/^Expect/im.test(text));
      const framed = response.filter(
        ({ method, text }) => method === 'GET' && /^(?:Content-L|Transfer-E)/im.test(text),
      );
      const property = fc.asyncProperty(whole, cuts, framed, cuts, async (text, places, { text: answered }, others) => {
        const once = await ask([text], 'GET', [answered]);
        assert.deepEqual(await ask(piecesOf(text, places), 'GET', piecesOf(answered, others)), once);
      });
      await fc.assert(property, { seed, numRuns });
      assert.deepEqual(runtime.log, []);
    } finally {
      runtime.stop();
      await upstream.close();
    }
  });
});
