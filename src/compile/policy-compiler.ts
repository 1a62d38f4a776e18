import type { Problem } from '../base/problem.ts';
import type { Gate, GateOptions, Overload } from '../plan/admission.ts';
import type { Circuit, CircuitChange, CircuitOptions } from '../plan/breaker.ts';
import type { Dispatch } from '../plan/call.ts';
import {
  type Condition,
  type ConditionProblem,
  compileCondition,
  compileQuantity,
  neverHolds,
  nothing,
  type Quantity,
} from '../plan/condition.ts';
import { FailureLog } from '../plan/condition-failures.ts';
import type { Exchange, Slot } from '../plan/exchange.ts';
import type { Feed } from '../plan/feed.ts';
import type { CredentialNames, Identifier } from '../plan/identifier.ts';
import type { LimitCounts, Limiter } from '../plan/limiter.ts';
import type { Plans } from '../plan/plans.ts';
import type { CompileEnv, Hooks, LogSink, PolicyModule, RouteFacts } from '../plan/policy.ts';
import type { ResponseStore } from '../plan/response-store.ts';
import type { RetryBudget, RetryBudgetOptions } from '../plan/retry-budget.ts';
import type { RouteEventCounter } from '../plan/route-events.ts';
import type { SharedResponses } from '../plan/shared-responses.ts';
import { compileTemplate, type Template, type TemplatePlace } from '../plan/template.ts';
import type { UsageCounter } from '../plan/usage.ts';
import type { PolicyUse } from './plan-document.ts';

/** Something that a policy says about its options while it is compiled. */
export interface UseProblem {
  readonly use: number;
  readonly route: RouteFacts;
  readonly severity: Problem['severity'];
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
  /** Inside the options. */
  readonly path: readonly (string | number)[];
}

export interface PolicyPorts {
  readonly log: LogSink;
  logTo(file: string): LogSink;
  /** A feed of this use's own supervision. */
  feed<V>(use: PolicyUse, name: string): Feed<V>;
  readonly credentials: CredentialNames;
  identifier(entry: string): Identifier | null;
  readonly limiter: Limiter;
  readonly limitCounts: LimitCounts;
  readonly plans: Plans;
  readonly usage: UsageCounter;
  /** What the options of this use name. */
  upstream(use: PolicyUse, reference: string): Dispatch;
  handler(use: PolicyUse, reference: string): Dispatch;
  readonly identityFields: readonly string[];
  readonly routeEvents: RouteEventCounter;
  readonly responses: ResponseStore;
  readonly sharedResponses: SharedResponses;
  gate(options: GateOptions): Gate;
  circuit(options: CircuitOptions, changed: (change: CircuitChange) => void): Circuit;
  retryBudget(options: RetryBudgetOptions): RetryBudget;
  overload(): Overload;
  problem(problem: UseProblem): void;
}

export interface CompiledUse {
  readonly hooks: readonly Hooks[];
  readonly tie: Tie;
}

/** How much of a route compiled hooks depend on: nothing, the names of its parameters, or all that it is. */
export type Tie = 'none' | 'parameters' | 'route';

/** A value in an exchange, at the same index for every use of one policy: a route uses a policy once. */
class IndexedSlot<T> implements Slot<T> {
  readonly #index: number;

  constructor(index: number) {
    this.#index = index;
  }

  get(exchange: Exchange): T | undefined {
    return exchange.slots === null ? undefined : (exchange.slots[this.#index] as T | undefined);
  }

  set(exchange: Exchange, value: T): void {
    exchange.slots ??= [];
    // Filled in order, so that the array never becomes sparse.
    while (exchange.slots.length < this.#index) exchange.slots.push(undefined);
    exchange.slots[this.#index] = value;
  }
}

/** Compiles policies once per distinct options, unless they look at their route. */
export class PolicyCompiler {
  readonly #modules: ReadonlyMap<string, PolicyModule>;
  readonly #uses: readonly PolicyUse[];
  readonly #ports: PolicyPorts;
  readonly #compiled = new Map<number | string, CompiledUse>();
  readonly #ties = new Map<number, Tie>();
  readonly #slots = new Map<string, number>();

  constructor(modules: readonly PolicyModule[], uses: readonly PolicyUse[], ports: PolicyPorts) {
    this.#modules = new Map(modules.map((module) => [module.name, module]));
    this.#uses = uses;
    this.#ports = ports;
  }

  hooks(use: number, route: RouteFacts): CompiledUse {
    const tie = this.#ties.get(use);
    if (tie !== undefined && tie !== 'route') {
      const known = this.#compiled.get(tie === 'none' ? use : `${use} ${route.parameters.join(' ')}`);
      if (known !== undefined) return known;
    }
    return this.#compile(use, route);
  }

  #compile(use: number, route: RouteFacts): CompiledUse {
    const { policy, options } = this.#uses[use] as PolicyUse;
    const module = this.#modules.get(policy);
    if (module === undefined) throw new Error(`there is no policy ${policy}`);
    const env = new Env(use, this.#uses[use] as PolicyUse, route, this.#ports, this.#slots);
    const made = module.compile(options, env);
    // With a template that this route cannot render it must not run at all: only where no route matches, since
    // everywhere else that is an error of `check`.
    const hooks = made === null || env.isUnfit ? [] : Array.isArray(made) ? made : [made];
    const compiled = { hooks, tie: env.tie };
    const before = this.#ties.get(use) ?? 'none';
    // A use can look at the route under one set of names only: the strongest tie that was ever seen holds.
    const tie = before === 'route' || env.tie === 'route' ? 'route' : before === 'parameters' ? before : env.tie;
    this.#ties.set(use, tie);
    if (tie !== 'route') this.#compiled.set(tie === 'none' ? use : `${use} ${route.parameters.join(' ')}`, compiled);
    return compiled;
  }
}

class Env implements CompileEnv {
  tie: Tie = 'none';
  isUnfit = false;
  readonly log: LogSink;
  readonly limiter: Limiter;
  readonly limitCounts: LimitCounts;
  readonly plans: Plans;
  readonly usage: UsageCounter;
  readonly identityFields: readonly string[];
  readonly routeEvents: RouteEventCounter;
  readonly responses: ResponseStore;
  readonly sharedResponses: SharedResponses;
  readonly #use: number;
  readonly #source: PolicyUse;
  readonly #route: RouteFacts;
  readonly #ports: PolicyPorts;
  readonly #slots: Map<string, number>;
  #slotsTaken = 0;

  constructor(use: number, source: PolicyUse, route: RouteFacts, ports: PolicyPorts, slots: Map<string, number>) {
    this.#use = use;
    this.#source = source;
    this.#route = route;
    this.#ports = ports;
    this.#slots = slots;
    this.log = ports.log;
    this.limiter = ports.limiter;
    this.limitCounts = ports.limitCounts;
    this.plans = ports.plans;
    this.usage = ports.usage;
    this.identityFields = ports.identityFields;
    this.routeEvents = ports.routeEvents;
    this.responses = ports.responses;
    this.sharedResponses = ports.sharedResponses;
  }

  get route(): RouteFacts {
    this.tie = 'route';
    return this.#route;
  }

  logTo(file: string): LogSink {
    return this.#ports.logTo(file);
  }

  feed<V>(name: string): Feed<V> {
    return this.#ports.feed(this.#source, name);
  }

  upstream(reference: string): Dispatch {
    return this.#ports.upstream(this.#source, reference);
  }

  handler(reference: string): Dispatch {
    return this.#ports.handler(this.#source, reference);
  }

  gate(options: GateOptions): Gate {
    return this.#ports.gate(options);
  }

  circuit(options: CircuitOptions, changed: (change: CircuitChange) => void): Circuit {
    return this.#ports.circuit(options, changed);
  }

  retryBudget(options: RetryBudgetOptions): RetryBudget {
    return this.#ports.retryBudget(options);
  }

  get overload(): Overload {
    return this.#ports.overload();
  }

  get credentials(): CredentialNames {
    return this.#ports.credentials;
  }

  identifier(entry: string): Identifier | null {
    return this.#ports.identifier(entry);
  }

  slot<T>(): Slot<T> {
    const key = `${this.#source.policy} ${this.#slotsTaken++}`;
    let index = this.#slots.get(key);
    if (index === undefined) {
      index = this.#slots.size;
      this.#slots.set(key, index);
    }
    return new IndexedSlot<T>(index);
  }

  template(text: string, place: TemplatePlace, path: readonly (string | number)[]): Template {
    const compiled = compileTemplate(text, place, this.#route.parameters);
    if (compiled.template !== null) {
      if (compiled.template.usesParameters && this.tie === 'none') this.tie = 'parameters';
      return compiled.template;
    }
    // Which names exist depends on the route, so the same options may be right elsewhere.
    if (this.tie === 'none') this.tie = 'parameters';
    this.isUnfit = true;
    const { code, message, remedy } = compiled.problem;
    this.problem('error', code, message, remedy, path);
    return emptyTemplate();
  }

  condition(text: string, path: readonly (string | number)[]): Condition {
    const failures = new FailureLog(this.log);
    const { condition, problem } = compileCondition(text, this.#route.parameters, (failure) => failures.add(failure));
    return this.#expression(condition, problem, path) ?? neverHolds();
  }

  quantity(text: string, path: readonly (string | number)[]): Quantity {
    const failures = new FailureLog(this.log);
    const { quantity, problem } = compileQuantity(text, this.#route.parameters, (failure) => failures.add(failure));
    return this.#expression(quantity, problem, path) ?? nothing();
  }

  #expression<E extends Condition | Quantity>(
    compiled: E | null,
    problem: ConditionProblem | null,
    path: readonly (string | number)[],
  ): E | null {
    if (problem === null) {
      if (compiled?.usesParameters && this.tie === 'none') this.tie = 'parameters';
      return compiled;
    }
    if (this.tie === 'none') this.tie = 'parameters';
    this.isUnfit = true;
    this.problem('error', problem.code, problem.message, problem.remedy, path);
    return null;
  }

  problem(
    severity: Problem['severity'],
    code: string,
    message: string,
    remedy: string,
    path: readonly (string | number)[],
  ): void {
    this.#ports.problem({ use: this.#use, route: this.#route, severity, code, message, remedy, path });
  }
}

/** Stands in for one that does not compile, so that one run finds every problem. */
function emptyTemplate(): Template {
  const { template } = compileTemplate('', 'text', []);
  if (template === null) throw new Error('the empty text is a template');
  return template;
}
