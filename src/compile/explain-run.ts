import { HeaderBlock } from '../base/headers.ts';
import type { Place } from '../base/problem.ts';
import { ResponseHead } from '../plan/call.ts';
import type { Exchange } from '../plan/exchange.ts';
import type { Gateway } from '../plan/host-table.ts';
import { dispatchLayers } from '../plan/phase.ts';
import type { Hooks, PolicyModule, RequestHook } from '../plan/policy.ts';
import { Reply } from '../plan/reply.ts';
import { compileTemplate } from '../plan/template.ts';
import type { UpstreamOptions } from '../plan/upstream.ts';
import { inLayerOrder, inPhaseOrder, isBeforeIdentity } from './chain.ts';
import type { CheckedConfig } from './check.ts';
import type { CheckedRoute } from './check-routes.ts';
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
}

export interface ExplainedAnswer {
  readonly status: number;
  /** Of the refusal, or null. */
  readonly code: string | null;
  readonly headers: readonly (readonly [string, string])[];
}

export interface ExplainedUpstream {
  /** By weight, when there are several. */
  readonly names: readonly { readonly name: string; readonly weight: number; readonly endpoints: readonly string[] }[];
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly added: readonly (readonly [string, string])[];
  readonly removed: readonly string[];
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

interface Entry {
  readonly policy: string;
  readonly place: Place | null;
  readonly hooks: Hooks;
  readonly isUsers: boolean;
}

/** Runs the policies of a route on the request and writes down what they do. */
export function runRoute(
  checked: CheckedRoute,
  exchange: Exchange,
  gateway: Gateway,
  config: CheckedConfig,
  registry: readonly PolicyModule[],
): ExplainedRun {
  const { origins } = config.loaded;
  const entries = entriesOf(checked, exchange, config, registry);
  const { target } = checked.document;
  const stop =
    target.kind === 'refused' ? refuseMissing : target.kind === 'unmatched' ? refuseUnmatched(gateway) : null;
  const before = fieldsOf(exchange);
  const steps: ExplainedStep[] = [];
  let reply: Reply | null = null;
  for (const { policy, place, hooks, isUsers } of inPhaseOrder(entries)) {
    if (stop !== null && !isBeforeIdentity(hooks)) continue;
    const hook = hooks.request as RequestHook;
    const outcome: Reply | string | null = reply !== null ? 'is not reached' : isUsers ? null : runHook(hook, exchange);
    if (outcome instanceof Reply) reply = outcome;
    const words = outcome instanceof Reply ? `answers ${describeReply(outcome)}` : outcome;
    steps.push({ stage: hook.phase, policy, place, outcome: words });
  }
  if (stop !== null) {
    const own = reply === null ? stop.run(exchange) : null;
    if (own instanceof Reply) reply = own;
    const answers = own instanceof Reply ? `answers ${describeReply(own)}` : 'is not reached';
    for (const { setting, what, path } of checked.missing) {
      const outcome = `${answers}: ${what} is not available yet`;
      steps.push({ stage: stop.phase, policy: setting, place: origins.keyPlace(path), outcome });
    }
    if (checked.missing.length === 0) {
      steps.push({ stage: stop.phase, policy: 'gateway', place: null, outcome: answers });
    }
  } else {
    for (const { policy, place, hooks } of inLayerOrder(entries)) {
      steps.push({ stage: hooks.dispatch?.layer ?? '', policy, place, outcome: null });
    }
    addTimeout(steps, checked, config);
  }
  for (const { policy, place, hooks } of entries) {
    if (hooks.response !== undefined) steps.push({ stage: 'response', policy, place, outcome: null });
  }
  for (const { policy, place, hooks } of entries) {
    if (hooks.done !== undefined) steps.push({ stage: 'done', policy, place, outcome: null });
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
  registry: readonly PolicyModule[],
): Entry[] {
  const uses = config.document?.uses ?? [];
  const log = { write: (): void => undefined };
  const compiler = new PolicyCompiler([...registry, ...config.userPolicies], uses, {
    log,
    logTo: () => log,
    problem: () => undefined,
  });
  const users = new Set(config.userPolicies.map(({ name }) => name));
  const facts = {
    name: document.name,
    gateway: exchange.route.gateway,
    pattern: document.path,
    parameters: key.pattern.parameters,
  };
  return document.uses.flatMap((use, position) => {
    const policy = uses[use]?.policy ?? '';
    const source = useSources[position]?.[0];
    const place = source === undefined ? null : config.loaded.origins.keyPlace(source);
    const { hooks } = compiler.hooks(use, facts);
    return hooks.map((each): Entry => ({ policy, place, hooks: each, isUsers: users.has(policy) }));
  });
}

/** A reply, or words for what changed; null when it waits for something. */
function runHook(hook: RequestHook, exchange: Exchange): Reply | string | null {
  const fields = fieldsOf(exchange);
  const target = exchange.upstreamTarget;
  const { id, reported } = exchange;
  const answer = hook.run(exchange);
  if (answer instanceof Promise) {
    answer.catch(() => undefined);
    return null;
  }
  if (answer instanceof Reply) return answer;
  const said: string[] = [];
  if (exchange.id !== id) said.push('names the request');
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

interface LocalAnswer {
  readonly reply: Pick<Reply, 'status' | 'headers'>;
  readonly code: string | null;
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
  const step = { stage: 'deadline', policy: 'timeout', place, outcome: `504 after ${document.timeout} ms` };
  if (at < 0) steps.push(step);
  else steps.splice(at, 0, step);
}

function localAnswer({ document, key }: CheckedRoute, exchange: Exchange): LocalAnswer | null {
  const { target } = document;
  const answer = (status: number, fields: readonly (readonly [string, string])[], code: string | null = null) => ({
    reply: { status, headers: HeaderBlock.of(fields) },
    code,
  });
  if (target.kind === 'respond') return answer(target.status, target.headers);
  if (target.kind === 'ready') return answer(200, []);
  if (target.kind !== 'redirect') return null;
  const { template } = compileTemplate(target.to, 'url', key.pattern.parameters);
  const to = template?.render(exchange);
  if (to === undefined) return answer(400, [], 'missing_value');
  const query = target.keepQuery && exchange.query !== '' ? `${to.includes('?') ? '&' : '?'}${exchange.query}` : '';
  return answer(target.status, [['location', to + query]]);
}

function describeTarget({ target }: CheckedRoute, config: CheckedConfig): string {
  const name = (index: number): string => config.document?.upstreams[index]?.name ?? '';
  switch (target.kind) {
    case 'upstream':
      return `upstream ${name(target.upstream)}`;
    case 'weighted':
      return `upstreams ${target.upstreams.map((each, i) => `${name(each)} (${target.weights[i]})`).join(', ')}`;
    case 'redirect':
      return `redirect to ${target.to}`;
    case 'respond':
      return `fixed response ${target.status}`;
    case 'ready':
      return '200, or 503 while the gateway is draining or not ready';
    case 'handler':
      return `handler ${target.file}`;
    case 'refused':
      return `501: ${[...new Set(target.missing)].join(', ')} is not available yet`;
    case 'unmatched':
      return 'no route: 404, or 405 where the path is known for other methods';
  }
}

function upstreamOf(
  { document }: CheckedRoute,
  exchange: Exchange,
  before: ReadonlyMap<string, string>,
  config: CheckedConfig,
): ExplainedUpstream | null {
  const { target } = document;
  const indices = target.kind === 'upstream' ? [target.upstream] : target.kind === 'weighted' ? target.upstreams : [];
  const options = indices.flatMap((index) => config.document?.upstreams[index] ?? []);
  const [first] = options;
  if (first === undefined) return null;
  const path =
    exchange.upstreamTarget ?? (exchange.query === '' ? exchange.path : `${exchange.path}?${exchange.query}`);
  const { added, removed } = difference(before, fieldsOf(exchange));
  const stated = [...fieldsOf(exchange)].filter(([name]) => /^(?:x-forwarded-|forwarded$)/.test(name));
  return {
    names: options.map(({ name, endpoints }, position) => ({
      name,
      weight: target.kind === 'weighted' ? (target.weights[position] ?? 0) : 1,
      endpoints: endpoints.map(({ url }) => url),
    })),
    method: exchange.method,
    target: (first.endpoints[0]?.basePath ?? '') + path,
    host: hostFor(first, exchange),
    added: [...stated, ...added],
    removed,
  };
}

function hostFor({ hostHeader, endpoints }: UpstreamOptions, exchange: Exchange): string {
  if (hostHeader.kind === 'fixed') return hostHeader.value;
  if (hostHeader.kind === 'preserve') return exchange.host;
  const [endpoint] = endpoints;
  return endpoint === undefined ? '' : endpoint.path !== null ? endpoint.host : `${endpoint.host}:${endpoint.port}`;
}

function fieldsOf({ headers }: Exchange): Map<string, string> {
  const fields = new Map<string, string>();
  headers.forEach((name, value) => {
    const before = fields.get(name);
    fields.set(name, before === undefined ? value : `${before}, ${value}`);
  });
  return fields;
}

function difference(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>) {
  const added = [...after].filter(([name, value]) => before.get(name) !== value);
  const removed = [...before.keys()].filter((name) => !after.has(name));
  return { added, removed };
}
