import { fieldName, HeaderBlock } from '../base/headers.ts';
import type { Place, Problem } from '../base/problem.ts';
import { neverOverloaded, openGate } from '../plan/admission.ts';
import { closedCircuit } from '../plan/breaker.ts';
import { Exchange, type Peer } from '../plan/exchange.ts';
import type { Gateway } from '../plan/host-table.ts';
import { noResponses } from '../plan/no-responses.ts';
import type { Plan, Route } from '../plan/plan.ts';
import { idleBudget } from '../plan/retry-budget.ts';
import { nothingHappens } from '../plan/route-events.ts';
import { RouteMatch } from '../plan/route-tree.ts';
import { noSharedResponses } from '../plan/shared-responses.ts';
import type { Upstream, UpstreamOptions } from '../plan/upstream.ts';
import { clientLines, dropStatements } from '../semantics/forwarded.ts';
import { normalizeTarget, Target } from '../semantics/url.ts';
import type { CheckedConfig } from './check.ts';
import type { CheckedRoute } from './checked-route.ts';
import { type ExplainedCaller, ExplainedEntries } from './explain-caller.ts';
import { type NearRoute, nearRoutes, whyRoute } from './explain-routes.ts';
import { type ExplainedRun, runRoute } from './explain-run.ts';
import { noFeeds } from './feeds.ts';
import { NOWHERE } from './gateway-sources.ts';
import { idleLimiter, idleUsage, noLimitCounts } from './idle-limits.ts';
import type { OpenIdentifier } from './open-identifier.ts';
import { PlanBuilder } from './plan-builder.ts';
import { type AuthEntryDocument, planParts } from './plan-document.ts';
import type { PlanPorts } from './plan-ports.ts';
import { Resources } from './resources.ts';
import { unasked } from './unasked.ts';

export interface ExplainRequest {
  readonly method: string;
  /** Absolute, or a path for the first host that is named. */
  readonly url: string;
  readonly headers: readonly (readonly [string, string])[];
  /** Address of the client. */
  readonly client?: string;
  /** Who calls; when left out, nobody knows. */
  readonly caller?: ExplainedCaller;
}

/** What would happen to a request, and why, as far as it can be known without the services. */
export interface Explanation {
  readonly method: string;
  readonly url: string;
  readonly host: string;
  /** Address that the client is taken to have. */
  readonly client: string;
  /** Who is taken to call. */
  readonly caller: ExplainedCaller;
  /** Why the request is refused before any route is looked for; null: it is not. */
  readonly refused: string | null;
  readonly path: { readonly received: string; readonly normalized: string; readonly query: string };
  readonly gateway: { readonly name: string; readonly why: string; readonly place: Place | null };
  readonly route: ExplainedRoute | null;
  /** Routes that nearly answered, and why they do not. */
  readonly near: readonly NearRoute[];
  readonly run: ExplainedRun | null;
  /** What `check` warns about in the settings of this route. */
  readonly warnings: readonly Problem[];
}

export interface ExplainedRoute {
  readonly name: string;
  readonly pattern: string;
  readonly place: Place;
  readonly why: string;
  readonly parameters: readonly { readonly name: string; readonly value: string }[];
  readonly owner: string | null;
  readonly runbook: string | null;
  readonly tags: readonly string[];
}

const noLog = { write: (): void => undefined };
const requestedMethod = fieldName('access-control-request-method');
/** Documentation addresses (RFC 5737): nobody's, so that no list of a configuration names it by accident. */
const SOME_CLIENT = '192.0.2.1';

/** Explains requests of one configuration. */
export class Explainer {
  readonly #checked: CheckedConfig;
  readonly #plan: Plan;
  readonly #registry: PlanPorts['registry'];
  readonly #known: ReadonlyMap<string, CheckedRoute>;
  readonly #entries: ExplainedEntries;

  private constructor(checked: CheckedConfig, plan: Plan, registry: PlanPorts['registry']) {
    this.#checked = checked;
    this.#registry = registry;
    this.#plan = plan;
    this.#entries = new ExplainedEntries(checked.document?.identifiers ?? [], registry);
    const names = checked.document?.gateways.map(({ name }) => name) ?? [];
    const all = [...checked.routes, ...checked.unmatched];
    this.#known = new Map(all.map((route) => [idOf(names[route.document.gateway] ?? '', route.document.name), route]));
  }

  /** Why nobody is such a caller by this configuration; null: somebody may be. */
  whyNot(caller: ExplainedCaller): string | null {
    return typeof caller === 'string' ? null : this.#entries.whyNot(caller);
  }

  /** Null when the configuration has errors. */
  static async of(checked: CheckedConfig, registry: PlanPorts['registry']): Promise<Explainer | null> {
    const { document, userPolicies } = checked;
    if (document === null) return null;
    const byFile = new Map(document.policyFiles.map((file, index) => [file, userPolicies[index]]));
    const builder = new PlanBuilder({
      registry,
      upstreams: new Resources<UpstreamOptions, Upstream>((options) => ({
        options,
        dispatch: (_call, sink) => sink.end(null),
        close: () => undefined,
      })),
      identifiers: new Resources<AuthEntryDocument, OpenIdentifier>(({ entry }) => ({
        identifier: unasked(entry),
        close: () => undefined,
      })),
      feeds: noFeeds,
      routeEvents: nothingHappens,
      responses: noResponses,
      sharedResponses: noSharedResponses,
      limiter: idleLimiter,
      limitCounts: noLimitCounts,
      usage: idleUsage,
      gate: () => openGate,
      circuit: () => closedCircuit,
      retryBudget: () => idleBudget,
      overload: () => neverOverloaded,
      policy: (file) => {
        const module = byFile.get(file);
        if (module === undefined) throw new Error(`${file} was not loaded`);
        return module;
      },
      handler: () => (_call, sink) => sink.end(null),
      log: noLog,
      logTo: () => noLog,
      ready: () => true,
    });
    for (const part of planParts(document)) builder.add(part);
    await builder.load();
    const build = builder.build();
    let step = build.next();
    while (!step.done) step = build.next();
    return new Explainer(checked, step.value, registry);
  }

  explain(request: ExplainRequest): Explanation {
    const { caller = 'unknown' } = request;
    const { scheme, host, target } = this.#parse(request);
    const gateway = this.#plan.hosts.find(host);
    const exchange = this.#exchange(request, scheme, host, target, gateway.unmatched);
    const parsed = new Target();
    const isNormal = normalizeTarget(target, parsed);
    exchange.path = parsed.path;
    exchange.query = parsed.query;
    const base = {
      method: request.method,
      url: request.url,
      host,
      client: exchange.clientAddress,
      caller,
      path: { received: target.split('?')[0] ?? target, normalized: parsed.path, query: parsed.query },
      gateway: this.#gateway(gateway, host),
    };
    if (!isNormal) {
      const refused = 'The path (or query) could be read in two ways; it is answered with 400 before any route.';
      return { ...base, refused, route: null, near: [], run: null, warnings: [] };
    }
    const match = new RouteMatch();
    const route = findRoute(gateway, exchange, match);
    if (route !== null) {
      exchange.route = route;
      exchange.parameters = match.parameters;
    }
    const checked = this.#checkedOf(exchange.route);
    const refused =
      route !== null && parsed.encodedSlash && !route.allowEncodedSlashes
        ? 'The path contains `%2F`, which this route does not accept: 400.'
        : null;
    const near = nearRoutes(gateway, route, exchange, (each) => this.#checkedOf(each), this.#checked);
    const run =
      refused !== null
        ? null
        : runRoute(checked, exchange, gateway, this.#checked, this.#registry, caller, this.#entries);
    return {
      ...base,
      refused,
      route: this.#route(route, checked, exchange),
      near,
      run,
      warnings: this.#warnings(checked),
    };
  }

  #parse({ url }: ExplainRequest): { scheme: 'http' | 'https'; host: string; target: string } {
    const match = /^(https?):\/\/([^/?#]+)([^#]*)/i.exec(url);
    if (match === null)
      return { scheme: 'http', host: this.#someHost(), target: url.startsWith('/') ? url : `/${url}` };
    const [, scheme = 'http', authority = '', rest = ''] = match;
    const host = authority.slice(authority.lastIndexOf('@') + 1).toLowerCase();
    const target = rest === '' ? '/' : rest.startsWith('/') ? rest : `/${rest}`;
    return { scheme: scheme.toLowerCase() === 'https' ? 'https' : 'http', host, target };
  }

  #someHost(): string {
    const hosts = this.#checked.document?.gateways.flatMap((gateway) => gateway.hosts) ?? [];
    return hosts.find((host) => !host.startsWith('*')) ?? 'localhost';
  }

  #exchange(
    { method, headers, client = SOME_CLIENT }: ExplainRequest,
    scheme: 'http' | 'https',
    host: string,
    target: string,
    route: Route,
  ): Exchange {
    const peer: Peer = {
      address: client,
      port: 0,
      tls: scheme === 'https',
      trusted: false,
      listener: '',
      certificate: null,
    };
    const exchange = new Exchange(peer, HeaderBlock.of(headers), route);
    exchange.method = method;
    exchange.target = target;
    exchange.scheme = scheme;
    exchange.host = host;
    exchange.clientAddress = client;
    const { xForwarded, forwarded } = this.#plan.forwarding;
    dropStatements(exchange.headers);
    exchange.headers.addLines(clientLines('', client, scheme, host, xForwarded, forwarded));
    return exchange;
  }

  #gateway(gateway: Gateway, host: string): Explanation['gateway'] {
    const document = this.#checked.document?.gateways.find(({ name }) => name === gateway.name);
    const path = this.#checkedOf(gateway.unmatched).path;
    const bare = host.replace(/:\d+$/, '');
    const named = document?.hosts.find((each) => each === bare) ?? document?.hosts.find((each) => each.startsWith('*'));
    const why =
      named !== undefined
        ? `its hosts contain \`${named}\``
        : gateway.name === NOWHERE
          ? 'no gateway names this host'
          : 'it answers for every host that no other gateway names';
    return { name: gateway.name, why, place: path.length === 0 ? null : this.#checked.loaded.origins.keyPlace(path) };
  }

  #route(route: Route | null, checked: CheckedRoute, exchange: Exchange): ExplainedRoute | null {
    if (route === null) return null;
    return {
      name: route.name,
      pattern: route.pattern,
      place: this.#checked.loaded.origins.keyPlace(checked.path),
      why: whyRoute(checked, exchange),
      parameters: route.parameters.map((name, index) => ({ name, value: exchange.parameters[index] ?? '' })),
      owner: checked.owner,
      runbook: checked.runbook,
      tags: checked.tags,
    };
  }

  #checkedOf(route: Route): CheckedRoute {
    const checked = this.#known.get(idOf(route.gateway, route.name));
    if (checked === undefined) throw new Error(`the route ${route.name} was not checked`);
    return checked;
  }

  #warnings({ document, path, useSources }: CheckedRoute): Problem[] {
    const { origins } = this.#checked.loaded;
    const own = document.target.kind === 'unmatched' ? [] : [path];
    const roots = [...own, ...useSources.flat()].map((each) => origins.keyPlace(each).path);
    return this.#checked.problems.filter(({ place }) => roots.some((root) => place?.path.startsWith(root)));
  }
}

/** As the server looks for it: a preflight asks about another request (Fetch, 3.2.2). */
function findRoute(gateway: Gateway, exchange: Exchange, match: RouteMatch): Route | null {
  const { tree } = gateway;
  if (exchange.method === 'OPTIONS') {
    const asked = exchange.headers.get(requestedMethod);
    const route = asked === undefined ? null : tree.find(asked, exchange.path, exchange, match);
    if (route?.answersPreflight) return route;
  }
  return tree.find(exchange.method, exchange.path, exchange, match);
}

function idOf(gateway: string, route: string): string {
  return `${gateway}\n${route}`;
}
