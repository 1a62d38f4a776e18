import { z } from 'zod';
import { errors } from '../base/gateway-error.ts';
import type { Exchange } from '../plan/exchange.ts';
import { listOf, namedMap } from '../plan/fields.ts';
import { compileHeaderEdits, headerEdits, identityFieldsIn } from '../plan/header-edits.ts';
import { definePolicy } from '../plan/policy.ts';
import { Reply } from '../plan/reply.ts';
import type { Template } from '../plan/template.ts';
import { encodeBytes, toWire } from '../semantics/percent.ts';
import { withoutParameter, withParameter } from '../semantics/query.ts';

const options = z.strictObject({
  headers: headerEdits('request').optional().describe('Changes of the request’s header fields.'),
  path: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Template of the path that the service gets; one with a `?` replaces the query too. A missing value is 400.',
    ),
  query: z
    .strictObject({
      set: namedMap(z.union([z.string(), z.number(), z.literal(true)]).transform(String))
        .meta({ mergeByName: true })
        .optional()
        .describe('Parameters and their values, which are templates. A missing value removes the parameter.'),
      remove: listOf(z.string().min(1)).optional().describe('Parameters that go no further.'),
    })
    .optional()
    .describe('Changes of single parameters; the rest of the query stays as it was sent.'),
});

interface Parameter {
  /** As it is compared, decoded. */
  readonly name: string;
  /** As it is written. */
  readonly encoded: string;
  readonly value: Template;
}

export const request = definePolicy({
  name: 'request',
  summary: 'Changes what the service gets: header fields, path and query, with values of the request in templates.',
  schema: options,
  examples: [
    {
      title: 'Tell the service who calls',
      options: { headers: { set: { 'x-user-id': '{identity.id}', 'x-client': '{client.ip}' }, remove: 'cookie' } },
    },
    { title: 'Another path', options: { path: '/internal/{request.id}' } },
    {
      title: 'Fixed parameters',
      options: { query: { set: { version: 2, tenant: '{header.x-tenant}' }, remove: 'debug' } },
    },
  ],
  identityFields: ({ headers = {} }) => identityFieldsIn(headers),
  compile({ headers, path, query }, env) {
    const edits = compileHeaderEdits(headers, env, ['headers']);
    const target = path === undefined ? null : env.template(path, 'path', ['path']);
    const removed = (query?.remove ?? []).map(toWire);
    const set: Parameter[] = Object.entries(query?.set ?? {}).flatMap(([name, text]) => {
      if (text === false) return [];
      const value = env.template(text, 'query', ['query', 'set', name]);
      return [{ name: toWire(name), encoded: encodeBytes(toWire(name)), value }];
    });
    const changesTarget = target !== null || removed.length > 0 || set.length > 0;
    if (edits === null && !changesTarget) return null;

    const reads = [...(edits?.reads ?? []), ...(target?.reads ?? []), ...set.flatMap(({ value }) => value.reads)];
    return {
      reads: [...new Set(reads)],
      request: {
        phase: 'rewrite',
        run(exchange) {
          // The target first: its templates see the fields as the client sent them.
          if (changesTarget) {
            const rewritten = rewriteTarget(exchange, target, removed, set);
            if (rewritten === undefined) return Reply.refuse(errors.missingValue);
            exchange.upstreamTarget = rewritten;
          }
          if (edits !== null) edits.apply(exchange.headers, exchange);
          return undefined;
        },
      },
    };
  },
});

function rewriteTarget(
  exchange: Exchange,
  target: Template | null,
  removed: readonly string[],
  set: readonly Parameter[],
): string | undefined {
  let path = exchange.path;
  let query = exchange.query;
  if (target !== null) {
    const rendered = target.render(exchange);
    if (rendered === undefined) return undefined;
    const question = rendered.indexOf('?');
    path = question < 0 ? rendered : rendered.slice(0, question);
    if (question >= 0) query = rendered.slice(question + 1);
  }
  for (let i = 0; i < removed.length; i++) query = withoutParameter(query, removed[i] as string);
  for (let i = 0; i < set.length; i++) {
    const { name, encoded, value } = set[i] as Parameter;
    query = withoutParameter(query, name);
    const text = value.render(exchange);
    if (text !== undefined) query = withParameter(query, encoded, text);
  }
  return query === '' ? path : `${path}?${query}`;
}
