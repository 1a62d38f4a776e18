import type { KeyPath } from '../config/key-path.ts';
import type { Fact, PolicyModule } from '../plan/policy.ts';
import { parseRouteKey, type RouteKey } from '../semantics/path-pattern.ts';
import type { CheckContext } from './check-context.ts';
import type { CommonUse } from './check-identity-headers.ts';
import { checkMatch, isConditional } from './check-match.ts';
import {
  checkAuth,
  entriesIn,
  errorPagesOf,
  type Missing,
  missingFor,
  reportLoss,
  warnLater,
} from './check-settings.ts';
import { checkTarget } from './check-targets.ts';
import type { UpstreamTable } from './check-upstreams.ts';
import type { CheckedRoute } from './checked-route.ts';
import { type EffectiveSettings, overlaySettings } from './inherit.ts';
import { Interner } from './interner.ts';
import { isPublic } from './later.ts';
import type { DocumentValue, GatewayValue, RouteObject, RouteValue, Settings } from './model/document.ts';
import { matchShape, routeShape } from './model/route.ts';
import { NO_SERVICE, type PlacedRoute } from './placement.ts';
import type { AuthEntryDocument, PolicyUse, RouteDocument, TargetDocument } from './plan-document.ts';
import { PolicyUses } from './policy-uses.ts';
import { ReferenceResolver } from './references.ts';

const OWN_KEYS = new Set([...Object.keys(routeShape), ...Object.keys(matchShape)]);
/** What holds on the paths of entries of `auth` too: who comes there has not identified yet. */
const ENDPOINT_SETTINGS = new Set([
  'requestId',
  'ipRules',
  'sizeLimits',
  'limits',
  'limitHeaders',
  'securityHeaders',
  'accessLog',
  'errors',
]);
const GATEWAY_KEYS = new Set(['hosts', 'routes']);
export const UNMATCHED = 'unmatched';
const unmatchedKey: RouteKey = {
  methods: null,
  path: '',
  pattern: { kind: 'segments', literals: [''], wildcard: true, parameters: [], shape: '/*' },
};

/** Reads routes gateway by gateway: inheritance, targets, references, names. */
export class RouteChecker {
  readonly routes: CheckedRoute[] = [];
  readonly errorPages = new Interner<ReturnType<typeof errorPagesOf>>();
  readonly #context: CheckContext;
  readonly #upstreams: UpstreamTable;
  readonly #presets: Readonly<Record<string, Settings>>;
  readonly #presetNames: ReadonlySet<string>;
  readonly #auth: ReadonlySet<string>;
  readonly #named: ReadonlyMap<string, readonly KeyPath[]>;
  readonly #keepsFalse: ReadonlySet<string>;
  readonly #entries: readonly AuthEntryDocument[];
  readonly #defaults: EffectiveSettings;
  readonly #uses: PolicyUses;
  readonly #references: ReferenceResolver;
  /** Policies whose options name something. */
  readonly #referring: readonly PolicyModule[];
  #groups = 0;

  constructor(
    document: DocumentValue,
    upstreams: UpstreamTable,
    policies: readonly PolicyModule[],
    named: ReadonlyMap<string, readonly KeyPath[]>,
    entries: readonly AuthEntryDocument[],
    common: readonly CommonUse[],
    implied: EffectiveSettings,
    context: CheckContext,
  ) {
    this.#references = new ReferenceResolver(upstreams, context);
    this.#referring = policies.filter(({ references }) => references !== undefined);
    this.#uses = new PolicyUses(policies, common, this.#references, context.loaded.value);
    this.#context = context;
    this.#entries = entries;
    this.#upstreams = upstreams;
    this.#presets = document.presets ?? {};
    this.#presetNames = context.namesIn('presets');
    this.#auth = context.namesIn('auth');
    this.#named = named;
    this.#keepsFalse = new Set(policies.filter(({ keepsFalse }) => keepsFalse).map(({ name }) => name));
    for (const [name, settings] of Object.entries(this.#presets)) this.#reviewLayer(settings, ['presets', name]);
    const defaults = document.defaults ?? {};
    this.#reviewLayer(defaults, ['defaults']);
    this.#defaults = this.#over(implied, defaults, ['defaults']);
  }

  /** Distinct uses of policies, to which routes refer by index. */
  get uses(): Interner<PolicyUse> {
    return this.#uses.distinct;
  }

  /** All routes of a gateway, and the route that answers what none of them matches. */
  gateway(index: number, name: string, value: GatewayValue, path: KeyPath, routesPath: KeyPath): CheckedRoute {
    const own = settingsOf(value, GATEWAY_KEYS);
    this.#reviewLayer(own, path);
    const base = this.#over(this.#defaults, own, path);
    const withPresets = new Map<string, EffectiveSettings>();
    const names = new Map<string, KeyPath>();
    const first = this.routes.length;
    for (const [key, route] of Object.entries(value.routes ?? {})) {
      this.#key(index, name, key, route, [...routesPath, key], base, withPresets, names);
    }
    this.#endpointsOf(index, name, this.routes.slice(first), base);
    return this.#unmatched(index, name, base, path);
  }

  /** Paths of their own that the entries of `auth` answer which these routes name, such as the callback of a login. */
  #endpointsOf(gateway: number, gatewayName: string, routes: readonly CheckedRoute[], base: EffectiveSettings): void {
    const used = new Set(routes.flatMap(({ settings }) => entriesIn(settings.get('auth')?.value)));
    const settings: EffectiveSettings = new Map([...base].filter(([name]) => ENDPOINT_SETTINGS.has(name)));
    for (const { entry, kind, endpoints } of this.#entries) {
      if (!used.has(entry)) continue;
      for (const { name, methods, path } of endpoints) {
        const parsed = parseRouteKey(`${methods.join(',')} ${path}`);
        if (!parsed.ok) throw new Error(`${entry}: ${parsed.message}`);
        const target: TargetDocument = { kind: 'identifier', entry, endpoint: name };
        const place = {
          path: null,
          gateway: gatewayName,
          name: `auth ${entry} ${name}`,
          isPublic: true,
          ...NO_SERVICE,
        };
        const { uses, useSources } = this.#uses.of(settings, place);
        const document: RouteDocument = {
          gateway,
          name: place.name,
          series: 0,
          group: this.#groups++,
          methods: parsed.value.methods,
          path: parsed.value.path,
          match: null,
          target,
          uses,
          ...this.#plainSettings(settings),
        };
        const rest = { alternative: -1, reads: [], missing: [], owner: null, runbook: null, tags: [] };
        const key = parsed.value;
        this.routes.push({ document, key, path: ['auth', entry, kind], useSources, settings, target, ...rest });
      }
    }
  }

  #key(
    gateway: number,
    gatewayName: string,
    text: string,
    value: RouteValue,
    path: KeyPath,
    base: EffectiveSettings,
    withPresets: Map<string, EffectiveSettings>,
    names: Map<string, KeyPath>,
  ): void {
    const context = this.#context;
    const parsed = parseRouteKey(text);
    if (!parsed.ok) {
      context.keyError('wrong-route', parsed.message, parsed.remedy, path);
      return;
    }
    const key = parsed.value;
    const isList = Array.isArray(value);
    const group = this.#groups++;
    for (const [position, each] of (isList ? value : [value]).entries()) {
      const route: RouteObject = typeof each === 'string' ? { to: each } : each;
      const at = isList ? [...path, position] : path;
      const made = key.methods === null ? key.path : `${key.methods.join(',')} ${key.path}`;
      const name = route.name ?? (isList && position > 0 ? `${made} #${position + 1}` : made);
      this.#checkName(name, gatewayName, route, at, names);
      const isShort = typeof each === 'string';
      const place = { gateway, group, gatewayName, name };
      const checked = this.#route(place, key, route, isShort, isList, at, base, withPresets);
      this.routes.push({ ...checked, alternative: isList ? position : -1 });
    }
  }

  #checkName(name: string, gateway: string, route: RouteObject, path: KeyPath, names: Map<string, KeyPath>): void {
    const at = route.name === undefined ? path : [...path, 'name'];
    const before = names.get(name);
    if (before !== undefined) {
      const message = `the name \`${name}\` is taken in the gateway \`${gateway}\``;
      this.#context.keyError('duplicate-name', message, 'Give one of them another `name`.', at, [before]);
    } else if (name === UNMATCHED) {
      const message = `\`${UNMATCHED}\` is the name of what no route matches`;
      this.#context.keyError('reserved-name', message, 'Choose another name.', at);
    }
    names.set(name, at);
  }

  #route(
    { gateway, group, gatewayName, name }: { gateway: number; group: number; gatewayName: string; name: string },
    key: RouteKey,
    route: RouteObject,
    isShort: boolean,
    isOneOfSeveral: boolean,
    path: KeyPath,
    base: EffectiveSettings,
    withPresets: Map<string, EffectiveSettings>,
  ): Omit<CheckedRoute, 'alternative'> {
    const context = this.#context;
    const own = isShort ? {} : settingsOf(route, OWN_KEYS);
    this.#reviewLayer(own, path);
    const settings = this.#over(this.#withPresets(route.use, path, base, withPresets), own, path);
    checkAuth(settings, path, this.#auth, context);
    // A short route is its target: what is wrong with it stands where the route stands.
    const { target, reads } = isShort
      ? this.#shortTarget(route.to as string, path)
      : checkTarget(route, path, key.pattern.parameters, settings, this.#upstreams, context);
    const missing = missingFor(settings);
    const match = route.match === undefined ? null : checkMatch(route.match, [...path, 'match'], context);
    const isOpen = isPublic(settings.get('auth')?.value);
    const held = target.kind === 'ready' ? this.#withoutPriority(settings, own, path) : settings;
    const { uses, useSources } = this.#uses.of(held, {
      path,
      gateway: gatewayName,
      name,
      isPublic: isOpen,
      target: placedTarget(target),
      isConditional: isOneOfSeveral,
    });
    const document: RouteDocument = {
      gateway,
      name,
      series: 0,
      group,
      methods: key.methods,
      path: key.path,
      match: isConditional(match) ? match : null,
      target: missing.length === 0 ? target : refusedFor(target, missing),
      uses,
      ...this.#plainSettings(settings),
    };
    const { owner = null, runbook = null, tags = [] } = route;
    return { document, key, path, useSources, reads, settings, missing, target, owner, runbook, tags };
  }

  #shortTarget(to: string, path: KeyPath): { target: TargetDocument; reads: readonly Fact[] } {
    const upstream = this.#upstreams.resolve(to, path);
    if (upstream < 0) return { target: { kind: 'refused', missing: ['the target'] }, reads: [] };
    return { target: { kind: 'upstream', upstream }, reads: [] };
  }

  #withPresets(
    use: readonly string[] | undefined,
    path: KeyPath,
    base: EffectiveSettings,
    known: Map<string, EffectiveSettings>,
  ): EffectiveSettings {
    if (use === undefined || use.length === 0) return base;
    for (const name of use) {
      if (this.#presetNames.has(name)) continue;
      this.#context.unknownName('unknown-preset', 'preset', name, this.#presetNames, [...path, 'use']);
    }
    const id = use.join('\n');
    let settings = known.get(id);
    if (settings === undefined) {
      settings = base;
      for (const name of use) settings = this.#over(settings, this.#presets[name] ?? {}, ['presets', name]);
      known.set(id, settings);
    }
    return settings;
  }

  #unmatched(gateway: number, gatewayName: string, base: EffectiveSettings, path: KeyPath): CheckedRoute {
    const place = { path: null, gateway: gatewayName, name: UNMATCHED, isPublic: true, ...NO_SERVICE };
    const { uses, useSources } = this.#uses.of(base, place);
    const document: RouteDocument = {
      gateway,
      name: UNMATCHED,
      series: 0,
      group: -1,
      methods: null,
      path: '',
      match: null,
      target: { kind: 'unmatched' },
      uses,
      ...this.#plainSettings(base),
      timeout: 0,
    };
    const rest = {
      key: unmatchedKey,
      alternative: -1,
      reads: [],
      settings: base,
      missing: [],
      target: document.target,
      owner: null,
      runbook: null,
      tags: [],
    };
    return { document, path, useSources, ...rest };
  }

  /** What one layer says by itself, whoever inherits it. */
  #reviewLayer(settings: Settings, path: KeyPath): void {
    warnLater(settings, path, this.#context);
    for (const module of this.#referring) {
      const options = settings[module.name];
      if (options !== undefined && options !== false)
        this.#references.resolve(module, options, [[...path, module.name]]);
    }
  }

  #over(base: EffectiveSettings, settings: Settings, path: KeyPath): EffectiveSettings {
    return overlaySettings(
      base,
      { settings, path },
      this.#named,
      (loss) => reportLoss(loss, this.#context),
      this.#keepsFalse,
    );
  }

  /** Whoever asks for readiness is always answered: a worker with much to do is not to be taken for a dead one. */
  #withoutPriority(settings: EffectiveSettings, own: Settings, path: KeyPath): EffectiveSettings {
    if (own.priority !== undefined) {
      const message = 'readiness is answered whatever there is to do';
      this.#context.keyWarning('unused-setting', message, 'Remove it.', [...path, 'priority']);
    }
    return new Map([...settings].filter(([name]) => name !== 'priority'));
  }

  #plainSettings(settings: EffectiveSettings) {
    const value = (name: string): unknown => settings.get(name)?.value;
    const pages = value('errors');
    return {
      errorPages:
        pages === undefined
          ? -1
          : this.errorPages.indexOf('errors', pages, () => errorPagesOf(pages as Parameters<typeof errorPagesOf>[0])),
      timeout: (value('timeout') as number | undefined) ?? 0,
      upgrade: value('upgrade') !== 'refused',
      allowEncodedSlashes: value('allowEncodedSlashes') === true,
    };
  }
}

function settingsOf(value: Settings, others: ReadonlySet<string>): Settings {
  const settings: Record<string, unknown> = {};
  for (const key of Object.keys(value)) if (!others.has(key)) settings[key] = value[key];
  return settings;
}

function placedTarget({ kind }: TargetDocument): PlacedRoute['target'] {
  if (kind === 'weighted') return 'upstream';
  return kind === 'upstream' || kind === 'handler' ? kind : 'other';
}

function refusedFor(target: TargetDocument, missing: readonly Missing[]): TargetDocument {
  const settings = missing.map(({ what }) => what);
  return { kind: 'refused', missing: target.kind === 'refused' ? [...target.missing, ...settings] : settings };
}
