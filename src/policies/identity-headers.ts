import { z } from 'zod';
import { LookAlikes } from '../base/look-alikes.ts';
import { headerName } from '../plan/fields.ts';
import { definePolicy } from '../plan/policy.ts';

const options = z.strictObject({
  names: z.array(headerName()).describe('Fields that the configuration fills from who calls, on whatever route.'),
});

/**
 * Services believe these fields because the gateway writes them. So nobody else may: not on a public route, which writes
 * none of them, and not by a spelling that a service takes for the same.
 */
export const identityHeaders = definePolicy({
  name: 'identityHeaders',
  summary: 'Removes what clients send in fields that tell the services who calls.',
  isInternal: true,
  schema: options,
  examples: [{ title: 'One field', options: { names: ['x-user-id'] } }],
  compile({ names }) {
    const taken = new LookAlikes(names);
    return {
      request: {
        phase: 'guard',
        run(exchange) {
          exchange.headers.removeCovered(taken);
          return undefined;
        },
      },
    };
  },
});
