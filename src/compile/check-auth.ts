import type { KeyPath } from '../config/key-path.ts';
import type { Consumer, CredentialNames } from '../plan/identifier.ts';
import type { Registry } from '../plan/registry.ts';
import type { CheckContext } from './check-context.ts';
import { feedOwner } from './feeds.ts';
import type { DocumentValue } from './model/document.ts';
import type { AuthEntryDocument, SupervisedDocument } from './plan-document.ts';

export const noCredentials: CredentialNames = { headers: [], parameters: [] };

/** The entries of `auth`: as workers need them, and as the main thread supervises them. */
export interface AuthEntries {
  readonly entries: readonly AuthEntryDocument[];
  readonly supervised: readonly SupervisedDocument[];
}

export function checkAuthEntries(
  value: DocumentValue,
  { identifiers }: Pick<Registry, 'identifiers'>,
  context: CheckContext,
): AuthEntries {
  const entries: AuthEntryDocument[] = [];
  const supervised: SupervisedDocument[] = [];
  for (const [entry, given] of Object.entries(value.auth ?? {})) {
    const module = identifiers.find(({ name }) => given[name] !== undefined);
    // The schema has reported an entry without a kind.
    if (module === undefined) continue;
    const options = given[module.name];
    const consumers = consumersOf(value, entry);
    const path: KeyPath = ['auth', entry, module.name];
    for (const problem of module.check?.(options, new Map(consumers)) ?? []) {
      const place = context.loaded.origins.place([...path, ...problem.path]);
      context.add(problem.severity, problem.code, problem.message, problem.remedy, place);
    }
    // Only keys are a matter of the main thread: what else is said of consumers may change without it.
    const withKeys = consumers.filter(([, { keys }]) => keys.length > 0);
    const owner = feedOwner(module.name, [entry, options, withKeys]);
    entries.push({
      owner,
      entry,
      kind: module.name,
      options,
      plan: given.plan ?? null,
      consumers: consumers.map(([name, consumer]) => [name, { ...consumer, keys: [] }]),
      endpoints: module.endpoints?.(options) ?? [],
      credentials: module.credentials?.(options) ?? noCredentials,
    });
    if (module.supervise !== undefined) {
      supervised.push({ owner, kind: 'identifier', module: module.name, name: entry, options, consumers });
    }
  }
  return { entries, supervised };
}

/** Of all entries together. */
export function credentialsOf(entries: readonly Pick<AuthEntryDocument, 'credentials'>[]): CredentialNames {
  return {
    headers: entries.flatMap(({ credentials }) => credentials.headers),
    parameters: entries.flatMap(({ credentials }) => credentials.parameters),
  };
}

function consumersOf(value: DocumentValue, entry: string): (readonly [string, Consumer])[] {
  return Object.entries(value.consumers ?? {}).map(([name, { plan = null, roles, groups, keys }]) => [
    name,
    { plan, roles, groups, keys: keys[entry] ?? [] },
  ]);
}
