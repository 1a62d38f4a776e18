import type { Place } from '../base/problem.ts';
import type { KeyPath } from '../config/key-path.ts';
import { ResponseHead } from '../plan/call.ts';
import type { Exchange, Identity } from '../plan/exchange.ts';
import type { Gateway } from '../plan/host-table.ts';
import type { Identifier } from '../plan/identifier.ts';
import { dispatchLayers } from '../plan/phase.ts';
import type { Hooks, RequestHook } from '../plan/policy.ts';
import type { Registry } from '../plan/registry.ts';
import { Reply } from '../plan/reply.ts';
import { inLayerOrder, inPhaseOrder, isBeforeIdentity } from './chain.ts';
import type { CheckedConfig } from './check.ts';
import { entriesIn } from './check-settings.ts';
import type { CheckedRoute } from './checked-route.ts';
import type { ExplainedCaller, ExplainedEntries } from './explain-caller.ts';
import {
  describeTarget,
  difference,
  type ExplainedUpstream,
  fieldsOf,
  type LocalAnswer,
  localAnswer,
  upstreamOf,
} from './explain-target.ts';
import { upstreamSteps } from './explain-upstream.ts';
import { idlePorts } from './idle-ports.ts';
import { valueAt } from './inherit.ts';
import type { PolicyUse } from './plan-document.ts';
import { PolicyCompiler } from './policy-compiler.ts';
import { refuseMissing, refuseUnmatched } from './targets.ts';

/** One hook on the way of the request. */
export interface ExplainedStep {
  /** Request phase, dispatch layer, `response` or `done`. */
  readonly stage: string;
  /** Policy, or what stands in its place. */
  readonly policy: string;
  readonly place: Place | null;
  /** What it does to this request; null where only a running gateway knows. */
  readonly outcome: string | null;
  /** What it asks of the request, one by one, where it tells. */
  readonly findings: readonly ExplainedFinding[];
}

export interface ExplainedFinding {
  readonly text: string;
  /** Null: it is no question of yes or no. */
  readonly holds: boolean | null;
  readonly place: Place;
}

export interface ExplainedAnswer {
  readonly status: number;
  /** Of the refusal, or null. */
  readonly code: string | null;
  readonly headers: readonly (readonly [string, string])[];
}

export interface ExplainedRun {
  readonly steps: readonly ExplainedStep[];
  /** The end of the dispatch chain, in words. */
  readonly target: string;
  readonly targetPlace: Place | null;
  /** Where the gateway itself answers. */
  readonly answer: ExplainedAnswer | null;
  /** Where a service is asked. */
  readonly upstream: ExplainedUpstream | null;
}

/** Outcome of a step that asks for the caller, where nobody said who that is. */
export const DEPENDS = 'depends on who calls';

interface Entry {
  readonly policy: string;
  readonly place: Place | null;
  readonly hooks: Hooks;
  readonly isUsers: boolean;
  /** It works with what a running gateway publishes. */
  readonly readsFeeds: boolean;
  /** Where its options stand, the nearest first. */
  readonly sources: readonly KeyPath[];
}

/** Runs the policies of a route on the request and writes down what they do. */
export function runRoute(
  checked: CheckedRoute,
  exchange: Exchange,
  gateway: Gateway,
  config: CheckedConfig,
  registry: Registry,
  caller: ExplainedCaller,
  known: ExplainedEntries,
): ExplainedRun {
  const { origins } = config.loaded;
  const [first] = entriesIn(checked.settings.get('auth')?.value);
  const entries = entriesOf(checked, exchange, config, registry, (entry) => known.identifier(entry, caller, first));
  const { target } = checked.document;
  const stop =
    target.kind === 'refused' ? refuseMissing : target.kind === 'unmatched' ? refuseUnmatched(gateway) : null;
  const before = fieldsOf(exchange);
  const steps: ExplainedStep[] = [];
  let reply: Reply | null = null;
  for (const entry of inPhaseOrder(entries)) {
    const { policy, place, hooks, isUsers, readsFeeds } = entry;
    if (stop !== null && !isBeforeIdentity(hooks)) continue;
    const hook = hooks.request as RequestHook;
    const step = { stage: hook.phase, policy, place };
    if (reply !== null) {
      steps.push({ ...step, outcome: 'is not reached', findings: [] });
    } else if (isUsers) {
      const says = assumeIdentity(hooks, exchange, caller, known);
      steps.push({ ...step, outcome: says, findings: [] });
    } else if (caller === 'unknown' && asksWhoCalls(hooks)) {
      steps.push({ ...step, outcome: DEPENDS, findings: findingsOf(entry, exchange, config, false) });
    } else if (readsFeeds) {
      steps.push({ ...step, outcome: null, findings: [] });
    } else {
      const findings = findingsOf(entry, exchange, config, caller !== 'unknown');
      const outcome = runHook(hook, exchange);
      if (outcome instanceof Reply) reply = outcome;
      steps.push({
        ...step,
        outcome: outcome instanceof Reply ? `answers ${describeReply(outcome)}` : outcome,
        findings,
      });
    }
  }
  if (stop !== null) {
    const own = reply === null ? stop.run(exchange) : null;
    if (own instanceof Reply) reply = own;
    const answers = own instanceof Reply ? `answers ${describeReply(own)}` : 'is not reached';
    for (const { setting, what, path } of checked.missing) {
      const outcome = `${answers}: ${what} is not available yet`;
      steps.push({ stage: stop.phase, policy: setting, place: origins.keyPlace(path), outcome, findings: [] });
    }
    if (checked.missing.length === 0) {
      steps.push({ stage: stop.phase, policy: 'gateway', place: null, outcome: answers, findings: [] });
    }
  } else {
    for (const entry of inLayerOrder(entries)) {
      const { policy, place, hooks } = entry;
      const { layer = '', words = null } = hooks.dispatch ?? {};
      const findings = findingsOf(entry, exchange, config, caller !== 'unknown');
      steps.push({ stage: layer, policy, place, outcome: words, findings });
    }
    addTimeout(steps, checked, config);
    const replaced = entries.filter(({ hooks }) => hooks.dispatch?.replacesUpstreams === true);
    const layers = new Set<string>(replaced.map(({ hooks }) => hooks.dispatch?.layer ?? ''));
    steps.push(...upstreamSteps(checked, config, registry).filter(({ stage }) => !layers.has(stage)));
  }
  for (const { policy, place, hooks } of entries) {
    if (hooks.response !== undefined) steps.push({ stage: 'response', policy, place, outcome: null, findings: [] });
  }
  for (const { policy, place, hooks } of entries) {
    if (hooks.done !== undefined) steps.push({ stage: 'done', policy, place, outcome: null, findings: [] });
  }
  const local = reply === null ? localAnswer(checked, exchange) : { reply, code: reply.error?.code ?? null };
  return {
    steps,
    target: describeTarget(checked, config),
    targetPlace: target.kind === 'unmatched' ? null : origins.keyPlace(checked.path),
    answer: local === null ? null : answerOf(local, entries, exchange),
    upstream: local === null ? upstreamOf(checked, exchange, before, config) : null,
  };
}

function entriesOf(
  { document, useSources, key }: CheckedRoute,
  exchange: Exchange,
  config: CheckedConfig,
  registry: Registry,
  identifier: (entry: string) => Identifier,
): Entry[] {
  const uses = config.document?.uses ?? [];
  const readers = new Set<PolicyUse>();
  const ports = idlePorts(config, identifier, (use) => readers.add(use));
  const compiler = new PolicyCompiler([...registry.policies, ...config.userPolicies], uses, ports);
  const users = new Set(config.userPolicies.map(({ name }) => name));
  const facts = {
    name: document.name,
    gateway: exchange.route.gateway,
    pattern: document.path,
    parameters: key.pattern.parameters,
  };
  return document.uses.flatMap((index, position) => {
    const use = uses[index];
    if (use === undefined) return [];
    const sources = useSources[position] ?? [];
    const [source] = sources;
    const place = source === undefined ? null : config.loaded.origins.keyPlace(source);
    const { hooks } = compiler.hooks(index, facts);
    const common = { policy: use.policy, place, isUsers: users.has(use.policy), readsFeeds: readers.has(use), sources };
    return hooks.map((each): Entry => ({ ...common, hooks: each }));
  });
}

function asksWhoCalls({ reads = [], writes = [] }: Hooks): boolean {
  return reads.includes('identity') || writes.includes('identity');
}

/** A policy of the user's own may be what finds out who calls: it is taken to find the caller. */
function assumeIdentity(
  { writes = [] }: Hooks,
  exchange: Exchange,
  caller: ExplainedCaller,
  known: ExplainedEntries,
): string | null {
  if (!writes.includes('identity') || typeof caller === 'string' || exchange.identity !== null) return null;
  exchange.identity = known.identity(caller, caller.entry ?? '');
  return whoCalls(exchange.identity);
}

function whoCalls({ id, method }: Identity): string {
  return `takes the caller to be \`${id}\`${method === '' ? '' : ` by \`${method}\``}`;
}

/** What a hook asks of the request, each at its place. */
function findingsOf(
  { hooks, sources }: Entry,
  exchange: Exchange,
  { loaded }: CheckedConfig,
  isCallerKnown: boolean,
): ExplainedFinding[] {
  const explained =
    hooks.request?.explain?.(exchange, isCallerKnown) ?? hooks.dispatch?.explain?.(exchange, isCallerKnown);
  return (explained ?? []).map(({ text, holds, path }) => {
    const at = sources.find((source) => valueAt(loaded.value, [...source, ...path]) !== undefined) ?? sources[0] ?? [];
    return { text, holds, place: loaded.origins.place([...at, ...path]) };
  });
}

/** A reply, or words for what changed; null when it waits for something. */
function runHook(hook: RequestHook, exchange: Exchange): Reply | string | null {
  const fields = fieldsOf(exchange);
  const target = exchange.upstreamTarget;
  const { id, reported, identity } = exchange;
  const answer = hook.run(exchange);
  if (answer instanceof Promise) {
    answer.catch(() => undefined);
    return null;
  }
  if (answer instanceof Reply) return answer;
  const said: string[] = [];
  if (exchange.id !== id) said.push('names the request');
  if (exchange.identity !== null && exchange.identity !== identity) said.push(whoCalls(exchange.identity));
  if (exchange.upstreamTarget !== target) said.push(`changes the target to ${exchange.upstreamTarget}`);
  if (exchange.reported !== reported) said.push('would refuse, and reports only');
  const { added, removed } = difference(fields, fieldsOf(exchange));
  if (added.length > 0) said.push(`sets ${added.map(([name]) => name).join(', ')}`);
  if (removed.length > 0) said.push(`removes ${removed.join(', ')}`);
  return said.length === 0 ? 'lets it pass' : said.join('; ');
}

function describeReply({ status, error }: Reply): string {
  return error === null ? String(status) : `${status} ${error.code}`;
}

/** The answer after the response hooks, which see those of the gateway as well. */
function answerOf({ reply, code }: LocalAnswer, entries: readonly Entry[], exchange: Exchange): ExplainedAnswer {
  const head = new ResponseHead(reply.status, reply.headers, 'none', -1);
  exchange.status = reply.status;
  exchange.response = head;
  for (const { hooks, isUsers } of entries) {
    if (isUsers || hooks.response === undefined) continue;
    const answer = hooks.response.run(exchange, head);
    if (answer instanceof Promise) answer.catch(() => undefined);
  }
  const headers: [string, string][] = [];
  head.headers.forEach((name, value) => {
    headers.push([name, value]);
  });
  return { status: head.status, code, headers };
}

function addTimeout(steps: ExplainedStep[], { document, settings }: CheckedRoute, config: CheckedConfig): void {
  const path = settings.get('timeout')?.sources[0];
  if (path === undefined) return;
  const order = (stage: string): number => dispatchLayers.indexOf(stage as (typeof dispatchLayers)[number]);
  const at = steps.findIndex(({ stage }) => order(stage) >= order('deadline'));
  const place = config.loaded.origins.keyPlace(path);
  const outcome = `504 after ${document.timeout} ms`;
  const step = { stage: 'deadline', policy: 'timeout', place, outcome, findings: [] };
  if (at < 0) steps.push(step);
  else steps.splice(at, 0, step);
}
