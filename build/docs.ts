import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { stringify } from 'yaml';
import { conditionFunctions } from '../src/plan/condition-names.ts';
import type { PolicyModule } from '../src/plan/policy.ts';
import { templateNames } from '../src/plan/template-values.ts';
import { registry } from '../src/policies/registry.ts';
import { configurationReference } from './configuration-reference.ts';
import { alternatives, entriesOf, optionTable, rowsOf, schemaOf } from './option-table.ts';

/**
 * `npm run docs`: the reference of the configuration, out of what its parts say themselves: summaries, schemas and
 * examples. A test holds the files to what this makes of them.
 */
const folder = resolve(import.meta.dirname, '../docs/reference');

/** Pages by file. */
export const references: readonly (readonly [file: string, make: () => string])[] = [
  [resolve(folder, 'configuration.md'), configurationReference],
  [resolve(folder, 'policies.md'), policyReference],
  [resolve(folder, 'auth.md'), authReference],
  [resolve(folder, 'upstreams.md'), upstreamReference],
];

export function policyReference(): string {
  const policies = registry.policies.filter(({ isInternal }) => isInternal === undefined);
  const index = policies.map(({ name, summary }) => `- [\`${name}\`](#${name.toLowerCase()}): ${summary}`);
  return [
    '# Policies',
    '',
    'Every policy is a key of a route, a preset, a gateway or `defaults`; the nearest one wins, and `false` turns one off.',
    'Inside one phase they run in this order, whatever the order in a configuration. This page is made from their schemas by',
    '`npm run docs`.',
    '',
    ...index,
    '',
    '## Templates',
    '',
    'A template is text with values of the request in braces: `/v1/users/{path.id}`. `{{` and `}}` are braces themselves, and',
    "a key that is no word stands in quotes: `{identity.claims['https://shop.example/team']}`. Each value is encoded for its",
    'place. A value that is missing, or that its place cannot hold, drops a header or a query parameter, and is 400 in a path.',
    'Path parameters stay percent-encoded in headers.',
    '',
    templateNames.map((name) => `\`{${name}}\``).join(', '),
    '',
    'Header fields that some place of the configuration fills from `identity` are nobody else’s: what clients send in them is',
    'removed on every route, public ones too, in every spelling that a service may take for the same (`X_User_Id`), trailers',
    'included.',
    '',
    '## Conditions',
    '',
    'A condition is [CEL](https://cel.dev) over the same names, without braces, and every value is text, decoded:',
    "`identity.id == path.id || 'admin' in identity.roles`. `identity.scopes`, `roles` and `groups` are lists, `identity.claims` is",
    "what the token says. A name that is no word stands in brackets: `header['x-tenant']`. It is checked at load that the names",
    'exist and the types fit. What is missing is an error, and an error denies: `has(identity.consumer)` and',
    "`'x-tenant' in header` ask first. Claims that are numbers compare with any number, and count with `1.0`.",
    '',
    `There are ${conditionFunctions.map((name) => `\`${name}\``).join(', ')}. The pattern of \`matches\` is written out, fits`,
    'anywhere unless `^` and `$` say otherwise, and knows neither look-around nor back-references (RE2). Quantifiers are not',
    'nested, there is no clock, and text of more than 8192 characters is an error: no condition takes long.',
    '',
    ...policies.flatMap(sectionOf),
  ].join('\n');
}

export function authReference(): string {
  const { identifiers } = registry;
  return [
    '# Entries of `auth`',
    '',
    'Each entry of `auth` is one way to know who calls: a name of your choice with one kind of credential and its options, and',
    '`plan` for callers who have none of their own. Routes name entries by `auth`; see [the policy](policies.md#auth).',
    '',
    '```yaml',
    'auth:',
    '  customer: { jwt: { issuer: https://identity.example, audience: shop }, plan: free }',
    '```',
    '',
    ...identifiers.map(({ name, summary }) => `- [\`${name}\`](#${name.toLowerCase()}): ${summary}`),
    '',
    ...identifiers.flatMap(sectionOf),
  ].join('\n');
}

export function upstreamReference(): string {
  const { upstreamPolicies } = registry;
  return [
    '# Settings of upstreams that are policies',
    '',
    'These stand beside `targets` in an upstream and hold for every call to it, whatever route makes it.',
    '',
    ...upstreamPolicies.flatMap(sectionOf),
  ].join('\n');
}

/** What the reference says of a policy, or of a kind of credential. */
type Described = Pick<PolicyModule, 'name' | 'setting' | 'summary' | 'schema' | 'examples'>;

function keyOf({ name, setting = name }: Described): string {
  return setting;
}

function sectionOf(policy: Described): string[] {
  const schema = schemaOf(policy.schema);
  const named = alternatives(schema).flatMap(entriesOf);
  const options = alternatives(schema).find(({ properties }) => properties !== undefined);
  const takesTrue = alternatives(schema).some((each) => each.const === true);
  return [
    `## ${keyOf(policy)}`,
    '',
    policy.summary,
    ...(takesTrue ? ['', '`true` stands for every default.'] : []),
    '',
    ...optionTable(options === undefined ? named : rowsOf(options, '')),
    '',
    ...policy.examples.flatMap(({ title, options: given }) => [
      `${title}:`,
      '',
      '```yaml',
      stringify({ [keyOf(policy)]: given }, { lineWidth: 110, singleQuote: false }).trimEnd(),
      '```',
      '',
    ]),
  ];
}

if (import.meta.main) for (const [file, make] of references) writeFileSync(file, make());
