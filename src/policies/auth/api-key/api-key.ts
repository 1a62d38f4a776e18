import { z } from 'zod';
import { HEADER_NAME, headerName, orTrue } from '../../../plan/fields.ts';
import { type Consumer, defineIdentifier, type OptionProblem } from '../../../plan/identifier.ts';
import { parseKey } from '../../../semantics/api-key.ts';
import { KeyIdentifier } from './key-identifier.ts';
import { KeyPublisher, publishConfiguredKeys } from './key-publisher.ts';

const DEFAULT_HEADER = 'x-api-key';

const options = z
  .strictObject({
    header: headerName().optional().describe(`The header that carries the key; \`${DEFAULT_HEADER}\` if not said.`),
    scheme: z
      .string()
      .regex(HEADER_NAME)
      .meta({ expects: 'the name of a scheme such as `Bearer`' })
      .optional()
      .describe('With `header: authorization`: the word before the key.'),
    query: z
      .string()
      .min(1)
      .optional()
      .describe('The query parameter that carries the key instead. Addresses get around more than headers do.'),
    keep: z.boolean().default(false).describe('Let the service see the key.'),
    store: z
      .boolean()
      .default(true)
      .describe('Accept the keys of `sluice keys` too; `false`: none but those of `consumers`.'),
  })
  .superRefine(({ header, scheme, query }, context) => {
    const refuse = (path: string, message: string, remedy: string): void => {
      context.addIssue({ code: 'custom', path: [path], message, params: { remedy } });
    };
    if (header !== undefined && query !== undefined) {
      refuse('query', 'a key is in a header or in the query', 'Make two entries of it; a route may list both.');
    } else if (header === 'authorization' && scheme === undefined) {
      refuse('header', 'this header needs a scheme before the key', 'Add for instance `scheme: Bearer`.');
    } else if (header !== 'authorization' && scheme !== undefined) {
      refuse('scheme', 'only `authorization` has a scheme', 'Remove it, or add `header: authorization`.');
    }
  });

export const apiKey = defineIdentifier({
  name: 'apiKey',
  summary:
    'A key that a consumer was given, from the configuration (`consumers.NAME.keys`) or made by `sluice keys create`. Only hashes are kept.',
  schema: orTrue(options),
  examples: [
    { title: 'Keys in `X-API-Key`', options: true },
    { title: 'Keys as bearer tokens', options: { header: 'authorization', scheme: 'Bearer' } },
    { title: 'Configured keys only, for callers that can set no header', options: { query: 'api_key', store: false } },
  ],
  credentials: ({ header, query }) =>
    query === undefined
      ? { headers: [header ?? DEFAULT_HEADER], parameters: [] }
      : { headers: [], parameters: [query.toLowerCase()] },
  check: (_options, consumers) => configuredKeyProblems(consumers),
  compile: ({ header = DEFAULT_HEADER, scheme, query, keep, store }, env) =>
    new KeyIdentifier(query === undefined ? { header, scheme } : { query }, { keep, store }, env),
  supervise({ store }, env) {
    publishConfiguredKeys(env);
    return store ? new KeyPublisher(env) : { close: () => undefined };
  },
});

function configuredKeyProblems(consumers: ReadonlyMap<string, Consumer>): OptionProblem[] {
  const problems: OptionProblem[] = [];
  const owners = new Map<string, string>();
  for (const [name, { keys }] of consumers) {
    for (const written of keys) {
      const parsed = parseKey(written);
      if (!parsed.ok) {
        const message = `a key of the consumer \`${name}\` cannot be used: ${parsed.message}`;
        problems.push({ severity: 'error', code: 'invalid-api-key', message, remedy: parsed.remedy, path: [] });
        continue;
      }
      const other = owners.get(parsed.value);
      owners.set(parsed.value, name);
      if (other === undefined || other === name) continue;
      const message = `the consumers \`${other}\` and \`${name}\` have the same key`;
      const remedy = 'Give each a key of its own, or nobody can tell them apart.';
      problems.push({ severity: 'error', code: 'shared-api-key', message, remedy, path: [] });
    }
  }
  return problems;
}
