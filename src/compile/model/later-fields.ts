import { z } from 'zod';
import { duration, listOf, mapOf } from '../../plan/fields.ts';

/**
 * Shapes of what the configuration may say already and the gateway cannot do yet. `../later.ts` says what `check` and
 * the routes make of it.
 */

const cache = z.looseObject({
  ttl: duration().optional(),
  staleWhileRevalidate: duration().optional(),
  staleIfError: duration().optional(),
});

export const composeSchema = mapOf(
  z.strictObject({
    to: z.string(),
    path: z.string().optional(),
    select: listOf(z.string()).optional(),
    timeout: duration({ min: 1 }).optional(),
    optional: z.boolean().optional(),
    cache: cache.optional(),
  }),
);
