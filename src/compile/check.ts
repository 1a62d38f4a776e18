import type { Problem } from '../base/problem.ts';
import { checkDocument } from '../config/check.ts';
import type { LoadedConfig, Sources } from '../config/document.ts';
import type { KeyPath } from '../config/key-path.ts';
import { withoutSecrets } from '../config/secrets.ts';
import { sortProblems } from '../config/sort-problems.ts';
import type { PolicyModule } from '../plan/policy.ts';
import type { Registry } from '../plan/registry.ts';
import { noStores, type StoresSettings } from '../stores/settings.ts';
import { checkAuthEntries } from './check-auth.ts';
import { checkConflicts } from './check-conflicts.ts';
import { CheckContext } from './check-context.ts';
import { checkIdentityHeaders } from './check-identity-headers.ts';
import { checkPlans, impliedSettings, plansOf } from './check-plans.ts';
import { PolicyCheck } from './check-policies.ts';
import { checkListeners, connectionLimits, forwardingOf } from './check-process.ts';
import { RouteChecker } from './check-routes.ts';
import { checkStores } from './check-stores.ts';
import { UpstreamTable } from './check-upstreams.ts';
import type { CheckedRoute } from './checked-route.ts';
import { feedOwner } from './feeds.ts';
import { type GatewaySource, gatewaySources, HostCheck, NOWHERE } from './gateway-sources.ts';
import { namedMapsIn } from './inherit.ts';
import type { Interner } from './interner.ts';
import { checkJwks } from './jwks-target.ts';
import { type DocumentValue, documentSchema } from './model/document.ts';
import type { ProcessValue } from './model/process.ts';
import { settingShape } from './model/route.ts';
import { soundPart } from './partial.ts';
import type { GatewayDocument, PlanDocument, PolicyUse, SupervisedDocument } from './plan-document.ts';
import { loadUserPolicies } from './user-policies.ts';

export interface CheckOptions {
  /** The policies that are part of the gateway. */
  readonly registry: Registry;
}

export interface CheckedConfig {
  /** Null as soon as there is one error. */
  readonly document: PlanDocument | null;
  /** Work for the main thread. */
  readonly supervised: readonly SupervisedDocument[];
  readonly stores: StoresSettings;
  /** What the configuration says about the process; null with the document. */
  readonly process: ProcessValue | null;
  /** The loader's, the schema's and the check's, by file and line. */
  readonly problems: readonly Problem[];
  /** Absolute paths of certificates and the like. */
  readonly dataFiles: readonly string[];
  /** Absolute paths of users' policies and handlers. */
  readonly codeFiles: readonly string[];
  /** Users' policies, as loaded. */
  readonly userPolicies: readonly PolicyModule[];
  /** Aligned with `document.routes`: what `explain` wants to know besides. */
  readonly routes: readonly CheckedRoute[];
  /** Aligned with `document.gateways`. */
  readonly unmatched: readonly CheckedRoute[];
  readonly loaded: LoadedConfig;
  /** The texts of the files, without the secrets that stand in them: for showing problems. */
  readonly sources: Sources;
}

/** Holds a loaded configuration against the model and resolves it into the document of a plan, with everything wrong at once. */
export async function checkConfig(loaded: LoadedConfig, { registry }: CheckOptions): Promise<CheckedConfig> {
  const context = new CheckContext(loaded);
  const user = loaded.complete ? await loadUserPolicies(registry, context) : { modules: [], files: [] };
  const modules: Registry = { ...registry, policies: [...registry.policies, ...user.modules] };
  const schema = documentSchema(registry, user.modules);
  const { value, problems } = checkDocument(loaded, schema);
  const sound = value ?? (loaded.complete ? soundPart(schema, loaded.value) : null);
  const rest = { userPolicies: user.modules, loaded };
  const shown = (all: readonly Problem[]): Sources =>
    all.length === 0 ? loaded.sources : withoutSecrets(loaded, schema);
  if (sound === null) {
    const all = [...problems, ...context.problems];
    return { ...refused(all, context, rest), sources: shown(all) };
  }
  const checked = resolve(sound, modules, user.files, context);
  const all = sortProblems([...problems, ...withoutEchoes(context.problems, problems)]);
  const sources = shown(all);
  if (value === null || all.some(({ severity }) => severity === 'error')) {
    return { ...refused(all, context, rest), sources };
  }
  const files = { dataFiles: context.dataFiles, codeFiles: context.codeFiles };
  return { ...checked, process: value, problems: all, ...files, ...rest, sources };
}

function refused(
  problems: readonly Problem[],
  context: CheckContext,
  rest: Pick<CheckedConfig, 'userPolicies' | 'loaded'>,
): Omit<CheckedConfig, 'sources'> {
  const files = { dataFiles: context.dataFiles, codeFiles: context.codeFiles };
  return {
    document: null,
    supervised: [],
    stores: noStores,
    process: null,
    problems: sortProblems(problems),
    ...files,
    routes: [],
    unmatched: [],
    ...rest,
  };
}

/** What misses something that the schema found malformed goes without saying. */
function withoutEchoes(found: readonly Problem[], problems: readonly Problem[]): readonly Problem[] {
  const malformed = problems.filter(({ severity }) => severity === 'error').map(({ place }) => place?.path ?? '');
  return found.filter(({ code, place }) => {
    if (!/^missing-target$|^missing-server$|^auth-missing$|^no-target$|^idle-plan$/.test(code)) return true;
    return !malformed.some((path) => path.startsWith(place?.path ?? '') && path !== place?.path);
  });
}

function resolve(
  value: DocumentValue,
  registry: Registry,
  policyFiles: readonly string[],
  context: CheckContext,
): Pick<CheckedConfig, 'document' | 'supervised' | 'stores' | 'routes' | 'unmatched'> {
  checkReferences(value, context);
  const stores = checkStores(value.stores, context);
  const plans = checkPlans(value, context);
  const auth = checkAuthEntries(value, registry, context);
  const identity = checkIdentityHeaders(value, registry, context);
  const upstreams = new UpstreamTable(value.upstreams ?? {}, context);
  const named = new Map<string, readonly KeyPath[]>();
  for (const { name, schema } of registry.policies) named.set(name, namedMapsIn(schema));
  for (const [name, schema] of Object.entries(settingShape)) named.set(name, namedMapsIn(schema));
  const checker = new RouteChecker(
    value,
    upstreams,
    registry.policies,
    named,
    auth.entries,
    identity.uses,
    impliedSettings(plans, auth.entries),
    context,
  );
  const sources = gatewaySources(value);
  const gateways: GatewayDocument[] = [];
  const unmatched: CheckedRoute[] = [];
  const add = ({ name, value: gateway, path, routesPath }: GatewaySource, hosts: readonly string[]): void => {
    const route = checker.gateway(gateways.length, name, gateway, path, routesPath);
    unmatched.push(route);
    gateways.push({ name, hosts, unmatched: route.document });
  };
  const hosts = new HostCheck(context);
  for (const source of sources) add(source, hosts.of(source));
  let otherwise = hosts.catchAll;
  if (otherwise < 0) {
    otherwise = gateways.length;
    add({ name: NOWHERE, value: {}, path: [], routesPath: [] }, []);
  }
  checkConflicts(checker.routes, gateways, context);
  const allPolicies = [...registry.policies, ...registry.upstreamPolicies];
  const policyCheck = new PolicyCheck(allPolicies, checker.uses.items, plansOf(plans, auth.entries), context);
  for (const route of checker.routes) policyCheck.check(route, gateways[route.document.gateway] ?? { name: '' });
  const upstreamUses = upstreamUsesOf(value, registry, checker.uses);
  checkJwks(checker.routes, checker.uses.items, context);
  const document: PlanDocument = {
    version: 0,
    listeners: checkListeners(value.listen, context),
    limits: connectionLimits(value),
    overload: value.overload,
    forwarding: forwardingOf(value),
    trustedProxies: value.trustedProxies,
    identityFields: identity.names,
    policyFiles,
    identifiers: auth.entries,
    plans,
    upstreams: upstreams.options,
    upstreamUses,
    uses: checker.uses.items,
    errorPages: checker.errorPages.items,
    gateways,
    otherwise,
    routes: checker.routes.map(({ document }) => document),
  };
  const supervised = [
    ...auth.supervised,
    ...supervisedPolicies(checker.uses.items, allPolicies),
    ...upstreams.supervised,
  ];
  return { document, supervised, stores, routes: checker.routes, unmatched };
}

/** Settings of upstreams that are policies. */
function upstreamUsesOf(
  value: DocumentValue,
  { upstreamPolicies }: Registry,
  uses: Interner<PolicyUse>,
): PlanDocument['upstreamUses'] {
  // Upstreams stand in the table in the order of the document, before those that routes name by URL.
  return Object.values(value.upstreams ?? {}).flatMap((upstream, index) => {
    const settings = upstream as Readonly<Record<string, unknown>>;
    const given = upstreamPolicies.filter(({ name, setting = name }) => settings[setting] !== undefined);
    if (given.length === 0) return [];
    const made = given.map(({ name, setting = name }) => {
      const options = settings[setting];
      return uses.indexOf(name, options, () => ({ policy: name, options }));
    });
    return [[index, made] as const];
  });
}

/** Policies with background work, by distinct options. */
function supervisedPolicies(uses: readonly PolicyUse[], modules: readonly PolicyModule[]): SupervisedDocument[] {
  return uses.flatMap(({ policy, options }): SupervisedDocument[] => {
    const module = modules.find(({ name }) => name === policy);
    if (module?.supervise === undefined) return [];
    const owner = feedOwner(policy, options);
    return [{ owner, kind: 'policy', module: policy, name: policy, options, consumers: [] }];
  });
}

/** Names in sections that point at other sections. */
function checkReferences(value: DocumentValue, context: CheckContext): void {
  const plans = context.namesIn('plans');
  const methods = context.namesIn('auth');
  const checkPlan = (plan: string | undefined, path: KeyPath): void => {
    if (plan !== undefined && !plans.has(plan)) context.unknownName('unknown-plan', 'plan', plan, plans, path);
  };
  for (const [name, method] of Object.entries(value.auth ?? {})) {
    checkPlan(method.plan, ['auth', name, 'plan']);
    if (name !== 'public') continue;
    context.keyError('reserved-name', '`public` means that nobody has to identify', 'Choose another name.', [
      'auth',
      name,
    ]);
  }
  for (const [name, consumer] of Object.entries(value.consumers ?? {})) {
    checkPlan(consumer.plan, ['consumers', name, 'plan']);
    for (const method of Object.keys(consumer.keys ?? {})) {
      if (methods.has(method)) continue;
      const path = ['consumers', name, 'keys', method];
      context.unknownName('unknown-auth', 'entry of `auth` named', method, methods, path, true);
    }
  }
}
