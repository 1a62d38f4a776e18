import { z } from 'zod';
import { listOf } from '../plan/fields.ts';
import { compileHeaderEdits, headerEdits } from '../plan/header-edits.ts';
import { definePolicy } from '../plan/policy.ts';

const options = z.strictObject({
  headers: headerEdits('response').optional().describe('Changes of the response’s header fields, errors included.'),
  select: listOf(z.string().min(1))
    .optional()
    .describe(
      'Members of a JSON body that the client gets, such as `id` or `items.name`; nothing else. Not available yet: the route answers 501.',
    ),
});

export const response = definePolicy({
  name: 'response',
  summary: 'Changes what the client gets: header fields, with values of the request in templates.',
  schema: options,
  examples: [
    {
      title: 'Say who answered, and not with what',
      options: { headers: { set: { 'x-served-by': '{route.name}' }, remove: ['x-internal-cost', 'via'] } },
    },
    { title: 'Another name', options: { headers: { rename: { 'x-count': 'x-total-count' } } } },
  ],
  compile({ headers }, env) {
    // `select` is read by whoever decides what a route still lacks: until it exists the route is refused as a whole.
    const edits = compileHeaderEdits(headers, env, ['headers']);
    if (edits === null) return null;
    return {
      reads: [...new Set(edits.reads)],
      response: {
        run(exchange, head) {
          edits.apply(head.headers, exchange);
          return undefined;
        },
      },
    };
  },
});
