import { documentSchema } from '../src/compile/model/document.ts';
import { optionTable, type Row, rowsOf, type Schema, schemaOf } from './option-table.ts';

/** Parts of the configuration that have a page of their own besides. */
const more: Readonly<Record<string, string>> = {
  auth: 'Kinds of credentials have [their own page](auth.md).',
  upstreams: 'A URL stands for `{ targets: URL }`. Further settings are [policies of upstreams](upstreams.md).',
  defaults: '[Policies](policies.md) stand here too.',
  presets: 'Each holds what `defaults` may hold; a route names those that it wants in `use`.',
  gateways: 'Besides, a gateway holds what `defaults` may hold, for all of its routes.',
  routes:
    'A pattern is `[METHODS] PATH`, such as `GET,POST /v1/orders/{id}`; `/*` at its end stands for zero or more segments (`path.rest`). ' +
    'Its value is the name of an upstream, a URL, a map, or a list of these, of which the first whose `match` fits answers. ' +
    'Besides, a route holds what `defaults` may hold.',
};

/** `docs/reference/configuration.md`: all of a document but policies and kinds of credentials. */
export function configurationReference(): string {
  const { properties = {} } = schemaOf(documentSchema({ policies: [], identifiers: [], upstreamPolicies: [] }));
  const shared = new Set(Object.keys(properties.defaults?.properties ?? {}));
  return [
    '# Configuration',
    '',
    'The keys of `sluice.yaml`, from the top. `sluice schema` prints the same for editors. Any value may be taken from elsewhere:',
    '`${env:NAME}`, `${env:NAME:-default}` and `${file:path}`, the path relative to the file that says so.',
    '',
    ...Object.keys(properties).map(
      (key) => `- [\`${key}\`](#${key.toLowerCase()}): ${properties[key]?.description ?? ''}`,
    ),
    '',
    ...Object.entries(properties).flatMap(([key, schema]) => sectionOf(key, schema, shared)),
  ].join('\n');
}

function sectionOf(key: string, schema: Schema, shared: ReadonlySet<string>): string[] {
  const rows = tableOf(key, schema, shared);
  return [
    `## ${key}`,
    '',
    schema.description ?? '',
    ...(more[key] === undefined ? [] : ['', more[key]]),
    '',
    ...(rows.length === 0 ? [] : [...optionTable(rows), '']),
  ];
}

function tableOf(key: string, schema: Schema, shared: ReadonlySet<string>): Row[] {
  if (key === 'presets') return [];
  const whole = rowsOf({ properties: { [key]: schema } }, '').flatMap(withoutLater);
  const [first, ...inner] = whole.map((row) => ({ ...row, name: row.name.replace(`${key}.`, '') }));
  if (key === 'gateways') return inner.filter(({ name }) => name === 'NAME.hosts' || name === 'NAME.routes');
  if (key === 'routes') return inner.filter(({ name }) => !shared.has(name.split('.')[1] ?? ''));
  return first === undefined || first.takes.startsWith('a map') ? inner : [first, ...inner];
}

const later = new Set(['compose']);

/** What the configuration knows and the gateway does not do yet is named, and no more. */
function withoutLater(row: Row): Row[] {
  const parts = row.name.split('.');
  const at = parts.findIndex((part) => later.has(part));
  if (at < 0) return [row];
  if (at < parts.length - 1) return [];
  return [{ ...row, description: `${row.description} Not available yet.` }];
}
