import type { KeyPath } from '../config/key-path.ts';
import { neverOverloaded, openGate } from '../plan/admission.ts';
import { closedCircuit } from '../plan/breaker.ts';
import { noResponses } from '../plan/no-responses.ts';
import type { Plans } from '../plan/plans.ts';
import type { Fact, Hooks, PolicyModule, RouteFacts } from '../plan/policy.ts';
import { idleBudget } from '../plan/retry-budget.ts';
import { nothingHappens } from '../plan/route-events.ts';
import { noSharedResponses } from '../plan/shared-responses.ts';
import { unwrittenFacts } from './chain.ts';
import { noCredentials } from './check-auth.ts';
import type { CheckContext } from './check-context.ts';
import type { CheckedRoute } from './checked-route.ts';
import { noFeeds } from './feeds.ts';
import { idleLimiter, idleUsage, noLimitCounts } from './idle-limits.ts';
import { valueAt } from './inherit.ts';
import type { GatewayDocument, PolicyUse } from './plan-document.ts';
import { PolicyCompiler, type UseProblem } from './policy-compiler.ts';
import { neverDispatched } from './targets.ts';
import { unasked } from './unasked.ts';

const noLog = { write: (): void => undefined };

/** Compiles every use of a policy as a worker will, for what the policies themselves find wrong with their options. */
export class PolicyCheck {
  readonly #context: CheckContext;
  readonly #compiler: PolicyCompiler;
  readonly #uses: readonly PolicyUse[];
  readonly #settled = new Set<string>();
  #route: CheckedRoute | null = null;

  constructor(modules: readonly PolicyModule[], uses: readonly PolicyUse[], plans: Plans, context: CheckContext) {
    this.#context = context;
    this.#uses = uses;
    this.#compiler = new PolicyCompiler(modules, uses, {
      log: noLog,
      logTo: () => noLog,
      feed: (use, name) => noFeeds.find(use.policy, name),
      credentials: noCredentials,
      identifier: unasked,
      limiter: idleLimiter,
      limitCounts: noLimitCounts,
      plans,
      usage: idleUsage,
      upstream: () => neverDispatched,
      handler: () => neverDispatched,
      identityFields: [],
      routeEvents: nothingHappens,
      responses: noResponses,
      sharedResponses: noSharedResponses,
      gate: () => openGate,
      circuit: () => closedCircuit,
      retryBudget: () => idleBudget,
      overload: () => neverOverloaded,
      problem: (problem) => this.#report(problem),
    });
  }

  check(route: CheckedRoute, gateway: Pick<GatewayDocument, 'name'>): void {
    const { document, reads } = route;
    const id = document.uses.join(' ');
    if (reads.length === 0 && this.#settled.has(id)) return;
    this.#route = route;
    const facts: RouteFacts = {
      name: document.name,
      gateway: gateway.name,
      pattern: document.path,
      parameters: route.key.pattern.parameters,
    };
    let isShared = true;
    const all: Hooks[] = [];
    const owners: number[] = [];
    for (const [position, use] of document.uses.entries()) {
      const { hooks, tie } = this.#compile(use, facts);
      isShared &&= tie === 'none';
      all.push(...hooks);
      for (const _ of hooks) owners.push(position);
    }
    if (document.target.kind === 'unmatched') return;
    // A refused route asks for an identity that nobody can establish yet; it answers before anything reads it.
    const given: Fact[] = document.target.kind === 'refused' ? ['identity'] : [];
    const missing = unwrittenFacts(all, given, reads).filter(({ index }) => !isImplied(owners[index], route));
    for (const { index, fact } of missing) this.#reportFact(fact, index < 0 ? null : (owners[index] ?? 0), route);
    if (isShared && missing.length === 0) this.#settled.add(id);
  }

  #compile(use: number, facts: RouteFacts): ReturnType<PolicyCompiler['hooks']> {
    try {
      return this.#compiler.hooks(use, facts);
    } catch (error) {
      const path = this.#sources(use)[0] ?? [];
      const message = `this policy failed to compile: ${error instanceof Error ? error.message : String(error)}`;
      this.#context.keyError('policy-failed', message, 'Correct the policy.', path);
      return { hooks: [], tie: 'route' };
    }
  }

  #report({ use, severity, code, message, remedy, path }: UseProblem): void {
    const route = this.#route;
    // Settings of a gateway may need a parameter that a request without a route has not: the policy is left out there.
    if (route === null || route.document.target.kind === 'unmatched') return;
    const sources = this.#sources(use);
    const { loaded } = this.#context;
    const source = sources.find((each) => valueAt(loaded.value, [...each, ...path]) !== undefined) ?? sources[0] ?? [];
    const isInherited =
      source.length < route.path.length || source.some((key, i) => i < route.path.length && key !== route.path[i]);
    const where = isInherited && severity === 'error' ? ` (for the route \`${route.document.name}\`)` : '';
    this.#context.add(severity, code, message + where, remedy, loaded.origins.place([...source, ...path]));
  }

  #reportFact(fact: Fact, position: number | null, route: CheckedRoute): void {
    const path: KeyPath = position === null ? route.path : (route.useSources[position]?.[0] ?? route.path);
    const name = `\`${fact}\``;
    const policy = this.#uses[route.document.uses[position ?? -1] ?? -1]?.policy;
    const isInherited = route.path.some((key, index) => path[index] !== key);
    const remedy =
      fact === 'identity'
        ? `Add \`auth\` to the route${isInherited ? `, or \`${policy}: false\`` : ''}.`
        : fact === 'requestId'
          ? 'Add `requestId: true`.'
          : 'Add a policy that writes it.';
    const message = `this needs ${name}, which nothing earlier on the route \`${route.document.name}\` finds out`;
    this.#context.keyError('missing-fact', message, remedy, path);
  }

  #sources(use: number): readonly KeyPath[] {
    const position = this.#route?.document.uses.indexOf(use) ?? -1;
    return this.#route?.useSources[position] ?? [];
  }
}

/** Nobody wrote it at a route: what is wrong with who has to identify is reported where that is written. */
function isImplied(position: number | undefined, { useSources }: CheckedRoute): boolean {
  const source = position === undefined ? undefined : useSources[position]?.[0];
  return source?.length === 1 && source[0] === 'plans';
}
