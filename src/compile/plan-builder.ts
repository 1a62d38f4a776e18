import { LookAlikes } from '../base/look-alikes.ts';
import type { GateScope } from '../plan/admission.ts';
import type { Dispatch } from '../plan/call.ts';
import type { Gateway } from '../plan/host-table.ts';
import type { Identifier } from '../plan/identifier.ts';
import type { ErrorPages, Plan, Route } from '../plan/plan.ts';
import type { PolicyModule, RequestHook, RouteFacts } from '../plan/policy.ts';
import { RouteTreeBuilder } from '../plan/route-tree-builder.ts';
import type { Alternative } from '../plan/route-tree-layout.ts';
import type { Upstream, UpstreamOptions } from '../plan/upstream.ts';
import { parsePathPattern } from '../semantics/path-pattern.ts';
import { composeChain } from './chain.ts';
import { Chains } from './chains.ts';
import { credentialsOf } from './check-auth.ts';
import { plansOf } from './check-plans.ts';
import { compileConditions } from './conditions.ts';
import { feedOwner } from './feeds.ts';
import type { OpenIdentifier } from './open-identifier.ts';
import { Opened } from './opened.ts';
import type { PlanDocument, PlanPart, PolicyUse, RouteDocument } from './plan-document.ts';
import type { PlanPorts } from './plan-ports.ts';
import { addressSet, compileErrorPages, hostTable } from './plan-tables.ts';
import { PolicyCompiler } from './policy-compiler.ts';
import type { Lease } from './resources.ts';
import { RouteDispatches } from './route-dispatches.ts';
import { neverDispatched, refuseMissing, refuseUnmatched, serveEndpoint } from './targets.ts';
import { ownLayers, UpstreamLayers } from './upstream-layers.ts';

type Head = Omit<PlanDocument, 'upstreams' | 'uses' | 'routes'>;

/** Steps of work between two yields: each takes some ten microseconds. */
const STEPS_A_SLICE = 20;

/** Makes the plan of a worker from the parts of a document: `add` them all, `load`, then run `build` slice by slice. */
export class PlanBuilder {
  readonly #ports: PlanPorts;
  #head: Head | null = null;
  readonly #upstreamOptions: UpstreamOptions[] = [];
  readonly #uses: PolicyUse[] = [];
  readonly #documents: RouteDocument[] = [];
  readonly #userPolicies: PolicyModule[] = [];
  readonly #handlers = new Map<string, Dispatch>();
  readonly #leases: Lease<Upstream>[] = [];
  readonly #identifierLeases: Lease<OpenIdentifier>[] = [];
  readonly #identifiers = new Map<string, Identifier>();
  readonly #dispatches: RouteDispatches;
  readonly #opened = new Opened();
  readonly #upstreamByName = new Map<string, Upstream>();

  constructor(ports: PlanPorts) {
    this.#ports = ports;
    this.#dispatches = new RouteDispatches({ uses: this.#uses, handlers: this.#handlers, ports });
  }

  add(part: PlanPart): void {
    switch (part.kind) {
      case 'head':
        this.#head = part;
        break;
      case 'upstreams':
        this.#upstreamOptions.push(...part.upstreams);
        break;
      case 'uses':
        this.#uses.push(...part.uses);
        break;
      case 'routes':
        this.#documents.push(...part.routes);
        break;
    }
  }

  /** Loads users' modules. Rejects with what their loading threw. */
  async load(): Promise<void> {
    for (const file of this.#headPart().policyFiles) this.#userPolicies.push(await this.#ports.policy(file));
    const byName = this.#upstreamByName;
    const find = (name: string): Upstream | null => byName.get(name) ?? null;
    const targets = this.#documents.flatMap(({ target }) => (target.kind === 'handler' ? [target.file] : []));
    const named = this.#uses.flatMap(({ references }) => references?.handlers.map(([, file]) => file) ?? []);
    for (const file of [...targets, ...named]) {
      if (this.#handlers.has(file)) continue;
      this.#handlers.set(file, await this.#ports.handler(file, find));
    }
  }

  /** Yields every few hundred microseconds. Whoever stops early calls `return`, which gives back what is held. */
  *build(): Generator<void, Plan> {
    let isComplete = false;
    try {
      const plan = yield* this.#build();
      isComplete = true;
      return plan;
    } finally {
      if (!isComplete) releaseAll([...this.#leases, ...this.#identifierLeases, this.#opened]);
    }
  }

  *#build(): Generator<void, Plan> {
    const head = this.#headPart();
    for (const [index, options] of this.#upstreamOptions.entries()) {
      const lease = this.#ports.upstreams.acquire(options);
      this.#leases.push(lease);
      this.#upstreamByName.set(options.name, lease.resource);
      if (index % STEPS_A_SLICE === STEPS_A_SLICE - 1) yield;
    }
    const ports = this.#ports;
    for (const entry of head.identifiers) {
      const lease = ports.identifiers.acquire(entry);
      this.#identifierLeases.push(lease);
      this.#identifiers.set(entry.entry, lease.resource.identifier);
    }
    const { policies, upstreamPolicies } = ports.registry;
    const identifiers = this.#identifiers;
    const opened = this.#opened;
    const compiler = new PolicyCompiler([...policies, ...upstreamPolicies, ...this.#userPolicies], this.#uses, {
      log: ports.log,
      logTo: (file) => ports.logTo(file),
      feed: ({ policy, options }, name) => ports.feeds.find(feedOwner(policy, options), name),
      credentials: credentialsOf(head.identifiers),
      identifier: (entry) => identifiers.get(entry) ?? null,
      limiter: ports.limiter,
      limitCounts: ports.limitCounts,
      plans: plansOf(head.plans, head.identifiers),
      usage: ports.usage,
      upstream: ({ references }, name) => this.#dispatches.upstream(referred(references?.upstreams, name), false),
      handler: ({ references }, name) => this.#dispatches.handler(referred(references?.handlers, name)),
      identityFields: head.identityFields,
      routeEvents: ports.routeEvents,
      responses: ports.responses,
      sharedResponses: ports.sharedResponses,
      gate: (options) => ports.gate(options, this.#seriesOf(options.scope)),
      circuit: (options, changed) => opened.add(ports.circuit(options, changed)),
      retryBudget: (options) => opened.add(ports.retryBudget(options)),
      overload: () => ports.overload(head.overload),
      // `check` has reported it with its place; here nobody reads it.
      problem: () => undefined,
    });
    this.#wrapUpstreams(head, compiler);
    const chains = new Chains(compiler);
    const pages = head.errorPages.map(compileErrorPages);
    const trees = head.gateways.map(() => new RouteTreeBuilder());
    yield* this.#addRoutes(trees, head, chains, pages);
    const gateways: Gateway[] = [];
    for (const [index, { name, unmatched }] of head.gateways.entries()) {
      const tree = yield* (trees[index] as RouteTreeBuilder).build();
      const route = this.#route(unmatched, [], name, chains, pages, refuseUnmatched({ tree }));
      gateways.push({ name, tree, unmatched: route });
      yield;
    }
    // The plan must not hold on to the builder, which has all the documents.
    const leases = [...this.#leases, ...this.#identifierLeases, opened];
    return {
      version: head.version,
      hosts: hostTable(head.gateways, head.otherwise, gateways),
      limits: head.limits,
      forwarding: head.forwarding,
      trustedProxies: addressSet(head.trustedProxies),
      identityFields: head.identityFields.length === 0 ? null : new LookAlikes(head.identityFields),
      listeners: head.listeners,
      release: () => releaseAll(leases),
    };
  }

  #seriesOf({ kind, name }: GateScope): number {
    return kind === 'upstream' ? (this.#upstreamByName.get(name)?.options.series ?? -1) : -1;
  }

  /** Policies of an upstream are layers around its pool, for whoever calls it. */
  #wrapUpstreams({ upstreamUses }: Head, compiler: PolicyCompiler): void {
    const usesOf = new Map(upstreamUses);
    for (const [index, { resource: upstream }] of this.#leases.entries()) {
      const { options } = upstream;
      const facts: RouteFacts = { name: options.name, gateway: '', pattern: '', parameters: [] };
      const hooks = (usesOf.get(index) ?? []).flatMap((use) => compiler.hooks(use, facts).hooks);
      const layers = new UpstreamLayers(upstream, [...ownLayers(options), ...(composeChain(hooks, null).layers ?? [])]);
      this.#dispatches.addUpstream(index, layers);
      this.#upstreamByName.set(options.name, { options, dispatch: layers.dispatch, close: () => undefined });
    }
  }

  *#addRoutes(
    trees: readonly RouteTreeBuilder[],
    head: Head,
    chains: Chains,
    pages: readonly ErrorPages[],
  ): Generator<void, void> {
    const documents = this.#documents;
    let alternatives: Alternative[] = [];
    for (const [index, document] of documents.entries()) {
      const parsed = parsePathPattern(document.path);
      if (!parsed.ok) throw new Error(`${document.path}: ${parsed.message}`);
      const gateway = head.gateways[document.gateway]?.name ?? '';
      const stop = this.#stopOf(document);
      const alternative: Alternative = {
        route: this.#route(document, parsed.value.parameters, gateway, chains, pages, stop),
        methods: document.match?.methods ?? null,
        when: document.match === null ? null : compileConditions(document.match),
      };
      // Most keys have one: a literal array is exactly as large as it must be.
      alternatives = alternatives.length === 0 ? [alternative] : [...alternatives, alternative];
      if (documents[index + 1]?.group !== document.group) {
        trees[document.gateway]?.add(parsed.value, { methods: document.methods, alternatives });
        alternatives = [];
      }
      if (index % STEPS_A_SLICE === STEPS_A_SLICE - 1) yield;
    }
  }

  /** Answers in the place of a target. */
  #stopOf({ target }: RouteDocument): RequestHook | null {
    if (target.kind === 'refused') return refuseMissing;
    if (target.kind !== 'identifier') return null;
    const identifier = this.#identifiers.get(target.entry);
    if (identifier === undefined || identifier.serve === null) throw new Error(`${target.entry} serves no paths`);
    return serveEndpoint(identifier.serve, target.endpoint);
  }

  #route(
    document: RouteDocument,
    parameters: readonly string[],
    gateway: string,
    chains: Chains,
    pages: readonly ErrorPages[],
    stop: RequestHook | null,
  ): Route {
    const { name, path: pattern, series, allowEncodedSlashes } = document;
    const chain = chains.of(document.uses, { name, gateway, pattern, parameters }, stop);
    return {
      series,
      name,
      gateway,
      pattern,
      parameters,
      request: chain.request,
      requestBody: chain.requestBody,
      dispatch: stop === null ? this.#dispatches.of(document, parameters, chain) : neverDispatched,
      response: chain.response,
      responseBody: chain.responseBody,
      done: chain.done,
      answersPreflight: chain.answersPreflight,
      errorPages: document.errorPages < 0 ? null : (pages[document.errorPages] ?? null),
      maxBody: chain.maxBody,
      allowEncodedSlashes,
    };
  }

  #headPart(): Head {
    if (this.#head === null) throw new Error('the head of the plan is missing');
    return this.#head;
  }
}

/** What a policy asks for and does not name in `references` was never looked for. */
function referred<T>(references: readonly (readonly [string, T])[] | undefined, name: string): T {
  const found = references?.find(([reference]) => reference === name);
  if (found === undefined) throw new Error(`${name} is no reference of this policy`);
  return found[1];
}

function releaseAll(leases: readonly Pick<Lease<unknown>, 'release'>[]): void {
  for (const lease of leases) lease.release();
}
