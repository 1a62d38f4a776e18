import { z } from 'zod';
import { listOf, mapOf, secret } from '../../plan/fields.ts';
import type { IdentifierModule } from '../../plan/identifier.ts';

/** The parts of the document that speak of callers. */

/** An entry of `auth`: one kind of credential, under its name, and what holds for every caller who comes with it. */
export interface AuthEntryValue {
  readonly plan?: string;
  readonly [kind: string]: unknown;
}

export function authSchema(identifiers: readonly IdentifierModule[]) {
  const shape: Record<string, z.ZodType> = {};
  for (const { name, schema, summary } of identifiers) shape[name] = schema.optional().describe(summary);
  const kinds = identifiers.map(({ name }) => `\`${name}\``).join(', ');
  const entry = z
    .strictObject({ ...shape, plan: z.string().optional().describe('Plan of callers who have none of their own.') })
    .superRefine((value, context) => {
      const given = Object.keys(value).filter((key) => key in shape);
      if (given.length === 1) return;
      const message =
        given.length === 0 ? 'this entry names no kind of credential' : 'an entry has one kind of credential';
      const remedy =
        given.length === 0 ? `Add one of ${kinds}.` : 'Make two entries of it; a route that lists both accepts either.';
      context.addIssue({ code: 'custom', message, params: { remedy } });
    });
  return mapOf(entry as z.ZodType<AuthEntryValue>);
}

const consumer = z.strictObject({
  plan: z.string().optional().describe('What this caller may use.'),
  groups: listOf(z.string()).default([]).describe('Groups that it is in.'),
  roles: listOf(z.string()).default([]).describe('Roles that it has.'),
  keys: mapOf(listOf(secret()))
    .default({})
    .describe('Its keys, by entry of `auth`: in clear (from a file), or `sha256:` and the digest in hexadecimal.'),
});

export const consumersSchema = mapOf(consumer);
export type ConsumerValue = z.output<typeof consumer>;
