import type { z } from 'zod';
import type { Problem } from '../base/problem.ts';
import type { Gate, GateOptions, Overload } from './admission.ts';
import type { Circuit, CircuitChange, CircuitOptions } from './breaker.ts';
import type { BodySink, Dispatch, ResponseHead } from './call.ts';
import type { Condition, Quantity } from './condition.ts';
import type { Exchange, Slot } from './exchange.ts';
import type { Feed, FeedAnswer, FeedPublisher } from './feed.ts';
import type { CredentialNames, Identifier } from './identifier.ts';
import type { LimitCounts, Limiter } from './limiter.ts';
import type { DispatchLayer, RequestPhase } from './phase.ts';
import type { Plans } from './plans.ts';
import type { Records } from './records.ts';
import type { Reply } from './reply.ts';
import type { ResponseStore } from './response-store.ts';
import type { RetryBudget, RetryBudgetOptions } from './retry-budget.ts';
import type { RouteEventCounter } from './route-events.ts';
import type { SharedResponses } from './shared-responses.ts';
import type { Template, TemplatePlace } from './template.ts';
import type { UpstreamOptions } from './upstream.ts';
import type { UsageCounter } from './usage.ts';

/** Synchronous until it cannot be: a promise only where I/O is unavoidable. */
export type Maybe<T> = T | Promise<T>;

/** What a policy may learn from an earlier one. Reading what nothing earlier writes is an error of `check`. */
export type Fact = 'identity' | 'requestId';

/** How a hook takes a body: whole, up to a bound in bytes (413 past it), or as a stream put around the next taker. */
export type BodyNeed =
  | { buffer: number; run(exchange: Exchange, body: Buffer): Maybe<Reply | Buffer | undefined> }
  | { stream: (exchange: Exchange, next: BodyTaker) => BodyTaker };

export type BodyTaker = Pick<BodySink, 'data' | 'end' | 'abort'>;

export interface RequestHook {
  phase: RequestPhase;
  run(exchange: Exchange): Maybe<Reply | undefined>;
  /**
   * For `sluice explain`, before `run`: what it asks of this request. Its time does not matter. `isCallerKnown`: false
   * when nobody said who is assumed to call.
   */
  explain?(exchange: Exchange, isCallerKnown: boolean): readonly Finding[];
}
/** One thing that a hook asks of a request. */
export interface Finding {
  /** In words, with the values of the request that decide. */
  readonly text: string;
  /** Null: it is no question of yes or no. */
  readonly holds: boolean | null;
  /** Where it stands inside the options. */
  readonly path: readonly (string | number)[];
}
export interface DispatchHook {
  layer: DispatchLayer;
  /** For `sluice explain`: what it does, with the values of its options. */
  words?: string;
  /** For `sluice explain` too: what it makes of this request. `isCallerKnown`: as for `RequestHook.explain`. */
  explain?(exchange: Exchange, isCallerKnown: boolean): readonly Finding[];
  /** It takes the place of what the route's upstreams have in that layer. */
  replacesUpstreams?: true;
  /** `upstream`: whose pool is behind it; null: the target asks none, or the route's layers further out are wrapped. */
  wrap(next: Dispatch, upstream: UpstreamOptions | null): Dispatch;
}
export interface ResponseHook {
  /** Every response on its way to the client, local replies and errors too. A returned reply takes its place. */
  run(exchange: Exchange, head: ResponseHead): Maybe<Reply | undefined>;
}

/** What one use of a policy does at run time. Absent members cost nothing. */
export interface Hooks {
  reads?: readonly Fact[];
  writes?: readonly Fact[];
  request?: RequestHook;
  requestBody?: BodyNeed;
  dispatch?: DispatchHook;
  response?: ResponseHook;
  responseBody?: BodyNeed;
  /** Largest request body in bytes that this use accepts: the smallest of a route's becomes `Route.maxBody`. */
  maxBody?: number;
  /** After the last byte or the failure; exchange is complete. Must not throw or wait. */
  done?(exchange: Exchange): void;
}

/** What a policy may ask while it is compiled, once per distinct use. */
export interface CompileEnv {
  /** Reading it ties the compiled hooks to this route; otherwise routes with equal options share them. */
  readonly route: RouteFacts;
  /** A typed place in every exchange. */
  slot<T>(): Slot<T>;
  /** Parses a template against the names of this route; problems are reported at `path` inside the options. */
  template(text: string, place: TemplatePlace, path: readonly (string | number)[]): Template;
  /** Compiles a condition (CEL) against the same names; it holds for nothing when it cannot be evaluated. */
  condition(text: string, path: readonly (string | number)[]): Condition;
  /** The same for a number (CEL). */
  quantity(text: string, path: readonly (string | number)[]): Quantity;
  /** Something is wrong with the options beyond their schema. */
  problem(
    severity: Problem['severity'],
    code: string,
    message: string,
    remedy: string,
    path: readonly (string | number)[],
  ): void;
  /** Writes one record, e.g. an access-log line, without waiting. */
  readonly log: LogSink;
  /** The same into a file of its own; one sink per file, however many ask for it. */
  logTo(file: string): LogSink;
  /** What this use's `supervise` publishes under that name. */
  feed<V>(name: string): Feed<V>;
  /** A bound on what is under way. */
  gate(options: GateOptions): Gate;
  /** A circuit breaker that all workers share; it ends with the plan. `changed` is called in the worker that changed it. */
  circuit(options: CircuitOptions, changed: (change: CircuitChange) => void): Circuit;
  /** The further attempts that an upstream is given. */
  retryBudget(options: RetryBudgetOptions): RetryBudget;
  /** Whether this worker can still do all that is asked of it. */
  readonly overload: Overload;
  /** Where the entries of `auth` have their credentials. */
  readonly credentials: CredentialNames;
  /** The entries of `auth` by name; null when there is none of that name. */
  identifier(entry: string): Identifier | null;
  /** An upstream that `references` names, with the layers of its own policies. */
  upstream(reference: string): Dispatch;
  /** A handler that `references` names. */
  handler(reference: string): Dispatch;
  /** Fields in which services of this configuration are told who calls. */
  readonly identityFields: readonly string[];
  readonly routeEvents: RouteEventCounter;
  /** Where responses are kept: for all workers, and for all machines. */
  readonly responses: ResponseStore;
  readonly sharedResponses: SharedResponses;
  readonly limiter: Limiter;
  readonly limitCounts: LimitCounts;
  /** What the configuration says that callers may use, and what counts it. */
  readonly plans: Plans;
  readonly usage: UsageCounter;
}

export interface RouteFacts {
  readonly name: string;
  readonly gateway: string;
  readonly pattern: string;
  readonly parameters: readonly string[];
}

/** Where lines go: bounded, drops counted; never blocks the caller. */
export interface LogSink {
  write(line: string): void;
}

export interface Closable {
  close(): void | Promise<void>;
}

/** Background work under way. */
export interface Supervised extends Closable {
  /** Resolves when the first attempt to get what it publishes has ended, well or not; absent: nothing to wait for. */
  readonly settled?: Promise<void>;
}

/** Main-thread side of a policy: background work that publishes what workers need. */
export interface SuperviseEnv {
  /** Under this name workers see it; `answer` looks for what they miss. */
  feed<V>(name: string, answer?: FeedAnswer): FeedPublisher<V>;
  /** Records that operators change. */
  readonly records: Records;
  /** Folder for what must outlast the process (mode 0700); null: there is none. */
  readonly stateDirectory: string | null;
  /** One line for the process's log: outages and recoveries, never secrets. */
  problem(message: string): void;
  /** What `sluice status` shows of it, read when somebody asks. */
  report(read: () => unknown): void;
}

export interface Example<O> {
  /** What it is for, in a few words: printed in the docs. */
  title: string;
  options: O | unknown;
}

/** Something that options name and that stands elsewhere. */
export interface Reference {
  /** The name or URL of an upstream, or the file of a handler. */
  readonly kind: 'upstream' | 'handler';
  /** As written. */
  readonly name: string;
  /** Inside the options. */
  readonly path: readonly (string | number)[];
}

/** What `check` knows about the options that hold for a route. Paths are inside the options. */
export interface Placement {
  /** Where it was declared, in words that stay the same: `defaults`, `gateway web`, `preset partner`, `route web GET /v1/orders`. */
  scopeOf(path: readonly (string | number)[]): string;
  /** It was declared by the route itself, not for many. */
  isOwn(path: readonly (string | number)[]): boolean;
  /** Nobody has to say here who they are. */
  readonly isPublic: boolean;
  /** Another setting of the route. */
  setting(name: string): unknown;
  /** What stands at the end of the route: `upstream` for one or several of them. */
  readonly target: 'upstream' | 'handler' | 'other';
  /** The route is one of several for the same path, told apart by conditions. */
  readonly isConditional: boolean;
}

/**
 * One policy: one file, one shape (`src/policies/registry.ts` is the only list). `O`: its options; `P`: what is compiled,
 * the same unless it has `place`.
 */
export interface PolicyModule<O = unknown, P = O> {
  /** Its key in routes, presets and defaults. */
  name: string;
  /** Its key in upstreams, where a policy of routes has that name. */
  setting?: string;
  summary: string;
  schema: z.ZodType<O>;
  /** Checked by tests, printed in the docs. */
  examples: readonly Example<O>[];
  /** True: `check` makes uses of it; nobody writes it. */
  isInternal?: true;
  /** `false` does not only undo what a route inherits: it is compiled like any other option, as what holds. */
  keepsFalse?: true;
  /** Fields of the request that it fills from who calls: what clients put there is removed on every route. */
  identityFields?(options: O): readonly string[];
  /** For a policy to which it matters where its options stand: plain data for `compile`. */
  place?(options: O, placement: Placement): P;
  /**
   * What its options name outside of themselves: for `CompileEnv.upstream` and `handler`. Dead references are errors. Of
   * policies of routes only.
   */
  references?(options: O): readonly Reference[];
  /** Null: nothing to do at run time. */
  compile(options: P, env: CompileEnv): Hooks | Hooks[] | null;
  supervise?(options: O, env: SuperviseEnv): Supervised;
}

/** Gives a module its options' type and keeps the registry free of it. */
export function definePolicy<O, P = O>(module: PolicyModule<O, P>): PolicyModule<O, P> {
  return module;
}
