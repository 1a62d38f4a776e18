import { z } from 'zod';
import { fieldName, HeaderBlock } from '../base/headers.ts';
import { Chunk, type Dispatch, ResponseHead } from './call.ts';
import { headerName } from './fields.ts';
import { nameProblem } from './header-edits.ts';

/** Answers that are the same for everybody: how a configuration says them, and the end of a dispatch chain that gives them. */

const contentLength = fieldName('content-length');
export const TEXT = 'text/plain; charset=utf-8';

const fixedName = headerName().superRefine((name, context) => {
  const problem = nameProblem(name, 'response');
  if (problem === null) return;
  context.addIssue({ code: 'custom', message: problem.message, params: { remedy: problem.remedy } });
});
/** Latin-1 without controls (RFC 9110, 5.5). */
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const fixedValue = z
  .union([z.string(), z.number(), z.boolean()])
  .transform(String)
  .superRefine((value, context) => {
    if (HEADER_VALUE.test(value)) return;
    const remedy = 'Remove control characters, and encode what is outside Latin-1.';
    context.addIssue({ code: 'custom', message: 'this is not the value of a header', params: { remedy } });
  });
export const fixedHeaders = z.record(fixedName, fixedValue);

export const finalStatus = z.int().min(200).max(599);

/** `otherwise`: the status where none is said. */
export function fixedAnswer(otherwise: number) {
  return z
    .strictObject({
      status: finalStatus.default(otherwise).describe('Of the answer.'),
      headers: fixedHeaders.optional().describe('Its header fields.'),
      body: z.string().optional().describe('Text; `content-type` is `text/plain` unless `headers` says otherwise.'),
      json: z.json().optional().describe('A JSON body.'),
    })
    .refine(({ body, json }) => body === undefined || json === undefined, {
      message: 'a response has one body',
      params: { remedy: 'Keep `body` or `json`.' },
    });
}

export interface FixedContent {
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string | null;
}

/** Header fields and text of a fixed body; `content-type` follows from how it is written. */
export function contentOf(given: {
  body?: string | undefined;
  json?: unknown;
  headers?: Readonly<Record<string, string>> | undefined;
}): FixedContent {
  const headers = Object.entries(given.headers ?? {});
  const body = given.json === undefined ? (given.body ?? null) : JSON.stringify(given.json);
  if (body !== null && !headers.some(([name]) => name === 'content-type')) {
    headers.unshift(['content-type', given.json === undefined ? TEXT : 'application/json']);
  }
  return { headers, body };
}

/** RFC 9110, 8.6 and 15.4.5: these never have content. */
export function isBodyless(status: number): boolean {
  return status === 204 || status === 304;
}

export function respondWith(status: number, { headers, body }: FixedContent): Dispatch {
  const fixed = HeaderBlock.of(headers);
  const bytes = Buffer.from(body ?? '');
  const isEmpty = isBodyless(status);
  if (!isEmpty) fixed.set(contentLength, String(bytes.length));
  return function respond(_call, sink) {
    sink.head(new ResponseHead(status, fixed.clone(), isEmpty ? 'none' : 'length', isEmpty ? -1 : bytes.length));
    if (!isEmpty && bytes.length > 0) sink.data(Chunk.whole(bytes, true));
    sink.end(null);
  };
}
