import type { KeyPath } from '../config/key-path.ts';
import type { Registry } from '../plan/registry.ts';
import type { CheckContext } from './check-context.ts';
import type { DocumentValue, Settings } from './model/document.ts';
import type { PolicyUse } from './plan-document.ts';

/** A policy that every route uses, whatever it says. */
export interface CommonUse extends PolicyUse {
  /** Why it does. */
  readonly sources: readonly KeyPath[];
}

/** Where clients put their credentials, which the identify phase has to see. */
const CREDENTIALS: ReadonlySet<string> = new Set(['authorization', 'cookie', 'proxy-authorization']);

export interface IdentityHeaders {
  /** Sorted, lower case. */
  readonly names: readonly string[];
  readonly uses: readonly CommonUse[];
}

/** The fields that some place of the configuration fills from who calls: no route takes them from a client. */
export function checkIdentityHeaders(
  value: DocumentValue,
  { policies, identifiers }: Registry,
  context: CheckContext,
): IdentityHeaders {
  const sources = new Map<string, KeyPath>();
  const credentials = new Set([...CREDENTIALS, ...credentialHeaders(value, identifiers)]);
  const add = (names: readonly string[], path: KeyPath): void => {
    for (const name of names.map((each) => each.toLowerCase())) {
      if (!credentials.has(name)) {
        if (!sources.has(name)) sources.set(name, path);
        continue;
      }
      const message = `\`${name}\` tells the service who calls, and it is where callers put their credential`;
      const remedy = 'Use another field: on other routes services get what clients send in this one.';
      context.keyWarning('identity-header', message, remedy, path);
    }
  };
  const fillers = policies.filter(({ identityFields }) => identityFields !== undefined);
  for (const [settings, path] of layersOf(value)) {
    for (const { name, identityFields } of fillers) {
      const options = settings[name];
      if (options !== undefined && options !== false) add(identityFields?.(options) ?? [], [...path, name]);
    }
  }
  for (const [entry, given] of Object.entries(value.auth ?? {})) {
    for (const { name, identityFields } of identifiers) {
      if (given[name] !== undefined) add(identityFields?.(given[name]) ?? [], ['auth', entry, name]);
    }
  }
  const names = [...sources.keys()].sort();
  if (names.length === 0) return { names, uses: [] };
  return { names, uses: [{ policy: 'identityHeaders', options: { names }, sources: [...sources.values()] }] };
}

/** Everything that has settings: defaults, presets, gateways and routes. */
function* layersOf(value: DocumentValue): Generator<readonly [Settings, KeyPath]> {
  if (value.defaults !== undefined) yield [value.defaults, ['defaults']];
  for (const [name, preset] of Object.entries(value.presets ?? {})) yield [preset, ['presets', name]];
  for (const [name, gateway] of Object.entries(value.gateways ?? {})) {
    yield [gateway, ['gateways', name]];
    yield* routesOf(gateway.routes, ['gateways', name, 'routes']);
  }
  yield* routesOf(value.routes, ['routes']);
}

function* routesOf(routes: DocumentValue['routes'], path: KeyPath): Generator<readonly [Settings, KeyPath]> {
  for (const [key, route] of Object.entries(routes ?? {})) {
    if (!Array.isArray(route)) {
      if (typeof route !== 'string') yield [route, [...path, key]];
      continue;
    }
    for (const [index, alternative] of route.entries()) {
      if (typeof alternative !== 'string') yield [alternative, [...path, key, index]];
    }
  }
}

/** Headers in which entries of `auth` look for a credential. */
function credentialHeaders({ auth = {} }: DocumentValue, identifiers: Registry['identifiers']): string[] {
  return Object.values(auth).flatMap((given) =>
    identifiers.flatMap(({ name, credentials }) =>
      given[name] === undefined ? [] : (credentials?.(given[name]).headers ?? []),
    ),
  );
}
