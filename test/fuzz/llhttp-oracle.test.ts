import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import fc from 'fast-check';
import { requestCases } from '../conformance/hostile-requests.ts';
import { responseCases } from '../conformance/hostile-responses.ts';
import { type CodecMessage, readPieces, type Transcript } from '../support/codec.ts';
import { type NodeOracle, startNodeOracle } from '../support/node-http.ts';
import { leniency, strictness, suspectAt } from './differences.ts';
import { mutated, requests, response } from './messages.ts';
import { announce, runs, seed } from './settings.ts';

/**
 * Node's own parser judges the same bytes. What both take, both must understand alike; where only one takes it, a row of
 * `differences.ts` says why.
 */

/** Fields that both have seen, and one hop keeps for itself. */
const hopByHop =
  /^(?:connection|keep-alive|proxy-connection|proxy-authorization|proxy-authenticate|http2-settings|upgrade|expect|te|host|transfer-encoding)$/;

interface NodeMessage {
  readonly line: string;
  readonly fields: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
}

/** Names in lower case and values without blanks around, in order. */
function pairs(raw: readonly string[]): [string, string][] {
  const found: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const value = (raw[i + 1] as string).replace(/^[ \t]+|[ \t]+$/g, '');
    found.push([(raw[i] as string).toLowerCase(), value]);
  }
  return found;
}

function assertAlike(ours: CodecMessage, node: NodeMessage): void {
  assert.equal(ours.line, node.line);
  assert.equal(ours.body, node.body);
  assertFieldsAlike(ours.fields, pairs(node.fields));
  assertFieldsAlike(ours.trailers, pairs(node.trailers), /^(?:content-|host|cookie|set-cookie|trailer|cache-control)/);
}

/** Ours are Node's in the same order, but for those that do not go on from here. */
function assertFieldsAlike(ours: CodecMessage['fields'], node: [string, string][], dropped = /^content-length$/): void {
  const options = node.filter(([name]) => name === 'connection').flatMap(([, value]) => value.toLowerCase().split(','));
  const named = new Set(options.map((option) => option.trim()));
  let next = 0;
  for (const [name, value] of node) {
    const own = ours[next];
    if (own !== undefined && own[0] === name && own[1] === value) next++;
    else assert.ok(hopByHop.test(name) || named.has(name) || dropped.test(name), `${name}: ${value} is lost`);
  }
  assert.equal(next, ours.length, 'a field that Node has not seen');
}

function assertExplained(text: string, ours: Transcript, taken: number, node: string | null): void {
  const byUs = ours.messages.length > taken;
  const start = byUs ? (ours.messages[taken] as CodecMessage).start : ours.rest;
  // `close` is a property of the last message that was taken.
  const suspects = [suspectAt(text, start, ours, node)];
  const last = ours.messages.at(-1);
  if (!byUs && last !== undefined && ours.end === null) suspects.push(suspectAt(text, last.start, ours, node));
  const table = byUs ? leniency : strictness;
  const explained = suspects.some((suspect) => table.some(({ holds }) => holds(suspect)));
  const who = byUs ? `only we take it (Node: ${node})` : `only Node takes it (we: ${ours.end})`;
  assert.ok(explained, `${who}: ${JSON.stringify(text.slice(start, start + 600))}`);
}

let oracle: NodeOracle;
before(async () => {
  oracle = await startNodeOracle();
});
after(() => oracle.close());

suite('requests, this codec and llhttp', { concurrency: false }, () => {
  async function compare(text: string): Promise<void> {
    const ours = readPieces([text], { kind: 'request' });
    const node = await oracle.requests(text);
    const both = Math.min(ours.messages.length, node.requests.length);
    for (let i = 0; i < both; i++) {
      const request = node.requests[i];
      if (request === undefined) break;
      assertAlike(ours.messages[i] as CodecMessage, { ...request, line: `${request.method} ${request.target}` });
    }
    if (ours.messages.length !== node.requests.length) assertExplained(text, ours, both, node.error);
  }

  test('those of the table', async () => {
    for (const { bytes } of requestCases) await compare(bytes);
  });

  test('arbitrary', async (context) => {
    const numRuns = runs(300);
    announce(context, numRuns);
    await fc.assert(fc.asyncProperty(requests, compare), { seed, numRuns });
  });

  test('broken', async (context) => {
    const numRuns = runs(1_500);
    announce(context, numRuns);
    const broken = mutated(requests, (text) => text);
    await fc.assert(fc.asyncProperty(broken, compare), { seed, numRuns });
  });
});

suite('responses, this codec and llhttp', { concurrency: false }, () => {
  async function compare(text: string, method: string): Promise<void> {
    const ours = readPieces([text], { kind: 'response', method });
    const final = ours.messages.at(-1);
    // 101 ends HTTP on the connection, and Node hands it to another listener.
    if (ours.messages.some(({ status }) => status === 101)) return;
    const whole = ours.end === null && final !== undefined && final.status >= 200;
    // What comes behind a whole response goes with its connection.
    const node = await oracle.response(whole ? text.slice(0, ours.rest) : text, method);
    if (whole && node.error === null) {
      assert.equal(final.status, node.status);
      assert.deepEqual(
        ours.messages.slice(0, -1).map(({ status }) => status),
        node.informational,
      );
      assertAlike(final, { ...node, line: '' });
    } else if (whole || node.error === null) {
      assertExplained(text, { ...ours, messages: whole ? ours.messages : [] }, 0, node.error);
    }
  }

  test('those of the table', async () => {
    for (const { bytes, method } of responseCases) await compare(bytes, method);
  });

  test('arbitrary', async (context) => {
    const numRuns = runs(200);
    announce(context, numRuns);
    const property = fc.asyncProperty(response, ({ text, method }) => compare(text, method));
    await fc.assert(property, { seed, numRuns });
  });

  test('broken', async (context) => {
    const numRuns = runs(500);
    announce(context, numRuns);
    const broken = mutated(response, ({ text }) => text);
    await fc.assert(
      fc.asyncProperty(broken, (text) => compare(text, 'GET')),
      { seed, numRuns },
    );
  });
});
