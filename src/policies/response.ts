import { z } from 'zod';
import { errors } from '../base/gateway-error.ts';
import { listOf } from '../plan/fields.ts';
import { compileHeaderEdits, headerEdits } from '../plan/header-edits.ts';
import { definePolicy, type Hooks } from '../plan/policy.ts';
import { Reply } from '../plan/reply.ts';

const options = z.strictObject({
  headers: headerEdits('response').optional().describe('Changes of the response’s header fields, errors included.'),
  select: listOf(z.string().min(1))
    .optional()
    .describe('Members of a JSON body that the client gets, such as `id` or `items.name`; nothing else.'),
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
  compile({ headers, select }, env) {
    const edits = compileHeaderEdits(headers, env, ['headers']);
    const hooks: Hooks[] = [];
    if (edits !== null) {
      hooks.push({
        reads: [...new Set(edits.reads)],
        response: {
          run(exchange, head) {
            edits.apply(head.headers, exchange);
            return undefined;
          },
        },
      });
    }
    if (select !== undefined) {
      const remedy =
        'Leave it out; until then this route answers 501, so that nothing is shown that `select` would hide.';
      env.problem('warning', 'not-available', '`select` is not available yet', remedy, ['select']);
      hooks.push({ request: { phase: 'guard', run: () => Reply.refuse(errors.notImplemented) } });
    }
    return hooks.length === 0 ? null : hooks;
  },
});
