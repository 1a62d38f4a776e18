import { z } from 'zod';
import { fieldName } from '../base/headers.ts';
import { newRequestId } from '../base/request-id.ts';
import { headerName, orTrue } from '../plan/fields.ts';
import { definePolicy } from '../plan/policy.ts';

const MAX_LENGTH = 128;

/** Letters, digits and `._~:/+=@-`: an id goes into logs, headers and searches, and must not need quoting in any. */
function isWellFormed(id: string): boolean {
  if (id.length === 0 || id.length > MAX_LENGTH) return false;
  for (let i = 0; i < id.length; i++) {
    const code = id.charCodeAt(i);
    const isLetter = (code | 32) >= 97 && (code | 32) <= 122;
    // `-` to `:` are punctuation and digits without anything that needs quoting.
    if (
      !isLetter &&
      !(code >= 45 && code <= 58) &&
      code !== 95 &&
      code !== 126 &&
      code !== 43 &&
      code !== 61 &&
      code !== 64
    ) {
      return false;
    }
  }
  return true;
}

const options = z.strictObject({
  header: headerName()
    .prefault('x-request-id')
    .describe('The field that carries the id, both to the service and back.'),
  accept: z
    .enum(['trusted', 'always', 'never'])
    .default('trusted')
    .describe('Whose ids are kept: those of `trustedProxies`, everybody’s, or nobody’s. Malformed ones never are.'),
  respond: z.boolean().default(true).describe('Tell the client the id.'),
});

export const requestId = definePolicy({
  name: 'requestId',
  summary: 'Gives every request an id for logs and support, tells it to the service and to the client.',
  schema: orTrue(options),
  examples: [
    { title: 'An `x-request-id` on every request', options: true },
    { title: 'The name that your services know', options: { header: 'x-correlation-id', accept: 'always' } },
  ],
  compile({ header, accept, respond }) {
    const field = fieldName(header);
    return {
      writes: ['requestId'],
      request: {
        phase: 'guard',
        run(exchange) {
          if (accept === 'always' || (accept === 'trusted' && exchange.peer.trusted)) {
            const given = exchange.headers.get(field);
            if (given !== undefined && isWellFormed(given) && exchange.headers.occurrences(field) === 1) {
              exchange.id = given;
              return undefined;
            }
          }
          if (exchange.id === '') exchange.id = newRequestId();
          exchange.headers.set(field, exchange.id);
          return undefined;
        },
      },
      ...(respond && {
        response: {
          run(exchange, head) {
            head.headers.set(field, exchange.id);
            return undefined;
          },
        },
      }),
    };
  },
});
