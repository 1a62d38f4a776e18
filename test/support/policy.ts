import assert from 'node:assert/strict';
import type { GatewayError } from '../../src/base/gateway-error.ts';
import { fieldName, HeaderBlock } from '../../src/base/headers.ts';
import type { Problem } from '../../src/base/problem.ts';
import { idleUsage } from '../../src/compile/idle-limits.ts';
import { neverOverloaded, type Overload, openGate } from '../../src/plan/admission.ts';
import { closedCircuit } from '../../src/plan/breaker.ts';
import { type Dispatch, ResponseHead } from '../../src/plan/call.ts';
import { compileCondition, compileQuantity, neverHolds, nothing } from '../../src/plan/condition.ts';
import type { Exchange, Slot } from '../../src/plan/exchange.ts';
import type { CredentialNames } from '../../src/plan/identifier.ts';
import { noResponses } from '../../src/plan/no-responses.ts';
import type { Plans } from '../../src/plan/plans.ts';
import type { CompileEnv, Hooks, Placement, PolicyModule, RouteFacts } from '../../src/plan/policy.ts';
import { Reply } from '../../src/plan/reply.ts';
import type { ResponseStore } from '../../src/plan/response-store.ts';
import { idleBudget } from '../../src/plan/retry-budget.ts';
import type { RouteEvent } from '../../src/plan/route-events.ts';
import { noSharedResponses, type SharedResponses } from '../../src/plan/shared-responses.ts';
import { compileTemplate, Template } from '../../src/plan/template.ts';
import type { UsageCounter } from '../../src/plan/usage.ts';
import { route as anyRoute } from './exchange.ts';
import { TestFeeds } from './feeds.ts';
import { TestLimitCounts, TestLimiter } from './limiter.ts';

/** Compiles one policy and drives its hooks, as a route with nothing else would. */
export interface CompiledPolicy {
  readonly hooks: readonly Hooks[];
  readonly problems: readonly { severity: Problem['severity']; code: string; path: readonly (string | number)[] }[];
  /** Lines written to standard output and, behind their name, to files. */
  readonly lines: string[];
  readonly files: Map<string, string[]>;
  /** Events of routes that were counted. */
  readonly events: readonly RouteEvent[];
  /** Runs the request hooks: the refusal or answer, or null when all let it pass. */
  request(exchange: Exchange): Reply | null;
  /** Runs the response hooks over a response with these fields. */
  response(exchange: Exchange, fields?: Iterable<readonly [string, string]>, status?: number): ResponseHead;
  done(exchange: Exchange): void;
}

/** Parses options as a configuration would; the messages of what is wrong when it is. */
export function problemsOf(policy: Pick<PolicyModule, 'schema'>, options: unknown): string[] {
  const parsed = policy.schema.safeParse(options);
  return parsed.success ? [] : parsed.error.issues.map((issue) => remedyOf(issue) ?? issue.message);
}

function remedyOf(issue: object): string | undefined {
  const { params } = issue as { params?: { remedy?: string } };
  return params?.remedy;
}

/** Of somebody who may use everything. */
const onePlan: Plans = {
  rules: new Map([['any', { name: 'any', by: 'caller', rate: null, quotas: [], warnAt: null, report: false }]]),
  defaults: new Map(),
};

/** What a policy is given beside its options, where a test looks at it. */
export interface Around {
  readonly limiter?: TestLimiter;
  readonly limitCounts?: TestLimitCounts;
  readonly plans?: Plans;
  readonly usage?: UsageCounter;
  readonly overload?: Overload;
  readonly gate?: CompileEnv['gate'];
  readonly circuit?: CompileEnv['circuit'];
  readonly retryBudget?: CompileEnv['retryBudget'];
  readonly placement?: Partial<Placement>;
  readonly responses?: ResponseStore;
  readonly sharedResponses?: SharedResponses;
  /** What references lead to. */
  readonly upstreams?: Readonly<Record<string, Dispatch>>;
  readonly handlers?: Readonly<Record<string, Dispatch>>;
  readonly identityFields?: readonly string[];
}

export function compilePolicy(
  policy: PolicyModule,
  options: unknown,
  facts: Partial<RouteFacts> = {},
  feeds: TestFeeds = new TestFeeds(),
  credentials: CredentialNames = { headers: [], parameters: [] },
  around: Around = {},
): CompiledPolicy {
  const { name, gateway, pattern, parameters } = { ...anyRoute, ...facts };
  const problems: { severity: Problem['severity']; code: string; path: readonly (string | number)[] }[] = [];
  const lines: string[] = [];
  const files = new Map<string, string[]>();
  const events: RouteEvent[] = [];
  let slots = 0;
  const env: CompileEnv = {
    route: { name, gateway, pattern, parameters },
    slot<T>(): Slot<T> {
      const index = slots++;
      return {
        get: (exchange) => exchange.slots?.[index] as T | undefined,
        set: (exchange, value) => {
          exchange.slots ??= [];
          exchange.slots[index] = value;
        },
      };
    },
    template(text, place, path) {
      const { template, problem } = compileTemplate(text, place, parameters);
      if (template !== null) return template;
      problems.push({ severity: 'error', code: problem.code, path });
      return new Template(text, [''], null, [], false);
    },
    condition(text, path) {
      const { condition, problem } = compileCondition(text, parameters);
      if (condition !== null) return condition;
      problems.push({ severity: 'error', code: problem.code, path });
      return neverHolds();
    },
    quantity(text, path) {
      const { quantity, problem } = compileQuantity(text, parameters);
      if (quantity !== null) return quantity;
      problems.push({ severity: 'error', code: problem.code, path });
      return nothing();
    },
    problem(severity, code, _message, _remedy, path) {
      problems.push({ severity, code, path });
    },
    feed: (name) => feeds.find(name),
    credentials,
    identifier: () => null,
    upstream: (reference) => (call, sink) => asked(around.upstreams, reference)(call, sink),
    handler: (reference) => (call, sink) => asked(around.handlers, reference)(call, sink),
    identityFields: around.identityFields ?? [],
    routeEvents: { count: (_series, event) => void events.push(event) },
    responses: around.responses ?? noResponses,
    sharedResponses: around.sharedResponses ?? noSharedResponses,
    gate: around.gate ?? (() => openGate),
    circuit: around.circuit ?? (() => closedCircuit),
    retryBudget: around.retryBudget ?? (() => idleBudget),
    overload: around.overload ?? neverOverloaded,
    limiter: around.limiter ?? new TestLimiter(),
    limitCounts: around.limitCounts ?? new TestLimitCounts(),
    plans: around.plans ?? onePlan,
    usage: around.usage ?? idleUsage,
    log: { write: (line) => lines.push(line) },
    logTo(file) {
      const written = files.get(file) ?? [];
      files.set(file, written);
      return { write: (line) => written.push(line) };
    },
  };
  const parsed = policy.schema.parse(options);
  const placement: Placement = {
    scopeOf: () => 'defaults',
    isOwn: () => true,
    isPublic: false,
    target: 'upstream',
    isConditional: false,
    setting: (name) => (name === 'auth' ? ['customer'] : name === 'cache' ? {} : undefined),
    ...around.placement,
  };
  const placed = policy.place === undefined ? parsed : policy.place(parsed, placement);
  const compiled = policy.compile(placed, env);
  const hooks = compiled === null ? [] : Array.isArray(compiled) ? compiled : [compiled];
  return {
    hooks,
    problems,
    lines,
    files,
    events,
    request(exchange) {
      for (const { request } of hooks) {
        const answer = request?.run(exchange);
        assert.ok(!(answer instanceof Promise), 'a policy without input or output is synchronous');
        if (answer !== undefined) return answer;
      }
      return null;
    },
    response(exchange, fields = [], status = 200) {
      const head = new ResponseHead(status, HeaderBlock.of(fields), 'none', -1);
      exchange.response = head;
      exchange.status = status;
      for (const { response } of hooks) assert.equal(response?.run(exchange, head), undefined);
      return head;
    },
    done(exchange) {
      for (const { done } of hooks) done?.(exchange);
    },
  };
}

function asked(known: Readonly<Record<string, Dispatch>> | undefined, reference: string): Dispatch {
  const found = known?.[reference];
  assert.ok(found !== undefined, `this test has no ${reference}`);
  return found;
}

export function refusal(reply: Reply | null): GatewayError | null {
  return reply instanceof Reply ? reply.error : null;
}

/** All values of a field, or null when it is absent. */
export function fieldValue(headers: HeaderBlock, name: string): string | null {
  return headers.getAll(fieldName(name)) ?? null;
}
