import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { HeaderBlock } from '../../src/base/headers.ts';
import { type CheckedConfig, checkConfig } from '../../src/compile/check.ts';
import { noFeeds } from '../../src/compile/feeds.ts';
import { idleUsage } from '../../src/compile/idle-limits.ts';
import type { OpenIdentifier } from '../../src/compile/open-identifier.ts';
import { PlanBuilder } from '../../src/compile/plan-builder.ts';
import { type AuthEntryDocument, planParts } from '../../src/compile/plan-document.ts';
import type { PlanPorts } from '../../src/compile/plan-ports.ts';
import { Resources } from '../../src/compile/resources.ts';
import { assignSeries, noSeries } from '../../src/compile/series.ts';
import { unasked } from '../../src/compile/unasked.ts';
import { loadConfig } from '../../src/config/load.ts';
import { neverOverloaded, openGate } from '../../src/plan/admission.ts';
import { closedCircuit } from '../../src/plan/breaker.ts';
import { type Chunk, type ResponseHead, type Sink, UpstreamCall } from '../../src/plan/call.ts';
import { Exchange } from '../../src/plan/exchange.ts';
import { noResponses } from '../../src/plan/no-responses.ts';
import type { Plan, Route } from '../../src/plan/plan.ts';
import { Reply } from '../../src/plan/reply.ts';
import { idleBudget } from '../../src/plan/retry-budget.ts';
import { nothingHappens } from '../../src/plan/route-events.ts';
import { RouteMatch } from '../../src/plan/route-tree.ts';
import { noSharedResponses } from '../../src/plan/shared-responses.ts';
import type { Upstream, UpstreamOptions } from '../../src/plan/upstream.ts';
import { registry } from '../../src/policies/registry.ts';
import { normalizeTarget, Target } from '../../src/semantics/url.ts';
import { TestLimitCounts, TestLimiter } from './limiter.ts';

/** Configurations for tests of the compile layer: text in, checked document or plan out, no sockets. */
export interface TestFiles {
  readonly [name: string]: string;
}

/** Writes the files to a folder of its own, runs `use` there, and removes it. */
export async function inFolder<T>(files: TestFiles, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function checkFile(file: string, env: Record<string, string> = {}): Promise<CheckedConfig> {
  return checkConfig(await loadConfig([file], { env }), { registry });
}

export async function checkText(text: string, others: TestFiles = {}): Promise<CheckedConfig> {
  return inFolder({ ...others, 'sluice.yaml': text }, (folder) => checkFile(join(folder, 'sluice.yaml')));
}

export interface TestPorts extends PlanPorts {
  readonly opened: UpstreamOptions[];
  readonly closed: string[];
  readonly calls: { upstream: string; call: UpstreamCall }[];
}

/** Upstreams that answer 200 with their name. */
export function testPorts(overrides: Partial<PlanPorts> = {}): TestPorts {
  const opened: UpstreamOptions[] = [];
  const closed: string[] = [];
  const calls: { upstream: string; call: UpstreamCall }[] = [];
  const upstreams = new Resources<UpstreamOptions, Upstream>((options) => {
    opened.push(options);
    return {
      options,
      dispatch: (call, sink) => {
        calls.push({ upstream: options.name, call });
        sink.end(null);
      },
      close: () => void closed.push(options.name),
    };
  });
  const log = { write: (): void => undefined };
  return {
    registry,
    upstreams,
    identifiers: new Resources<AuthEntryDocument, OpenIdentifier>(({ entry }) => ({
      identifier: unasked(entry),
      close: () => undefined,
    })),
    feeds: noFeeds,
    routeEvents: nothingHappens,
    responses: noResponses,
    sharedResponses: noSharedResponses,
    limiter: new TestLimiter(),
    limitCounts: new TestLimitCounts(),
    usage: idleUsage,
    gate: () => openGate,
    circuit: () => closedCircuit,
    retryBudget: () => idleBudget,
    overload: () => neverOverloaded,
    policy: () => {
      throw new Error('no user policies here');
    },
    handler: () => (_call, sink) => sink.end(null),
    log,
    logTo: () => log,
    ready: () => true,
    ...overrides,
    opened,
    closed,
    calls,
  };
}

export async function planOf(checked: CheckedConfig, ports: PlanPorts = testPorts()): Promise<Plan> {
  if (checked.document === null) {
    throw new Error(checked.problems.map(({ place, message }) => `${place?.line}: ${message}`).join('\n'));
  }
  const builder = new PlanBuilder(ports);
  for (const part of planParts(assignSeries(checked.document, noSeries).document)) builder.add(structuredClone(part));
  await builder.load();
  const build = builder.build();
  let step = build.next();
  while (!step.done) step = build.next();
  return step.value;
}

export interface TestAnswer {
  readonly route: Route;
  readonly exchange: Exchange;
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** What a plan answers, as the executor would run it, as far as everything is synchronous. */
export function ask(plan: Plan, method: string, url: string, fields: Record<string, string> = {}): TestAnswer {
  const [, host = '', rest = '/'] = /^http:\/\/([^/?]*)(.*)$/.exec(url) ?? [];
  const gateway = plan.hosts.find(host);
  const peer = { address: '192.0.2.1', port: 1, tls: false, trusted: false, listener: '', certificate: null };
  const exchange = new Exchange(peer, HeaderBlock.of(Object.entries(fields)), gateway.unmatched);
  Object.assign(exchange, { method, host, target: rest, clientAddress: peer.address });
  const target = new Target();
  if (!normalizeTarget(rest, target)) throw new Error(`${rest} is refused`);
  exchange.path = target.path;
  exchange.query = target.query;
  const match = new RouteMatch();
  const route = gateway.tree.find(method, target.path, exchange, match);
  if (route !== null) {
    exchange.route = route;
    exchange.parameters = match.parameters;
  }
  const answer = new Recorder();
  for (const hook of exchange.route.request ?? []) {
    const reply = hook.run(exchange);
    if (reply instanceof Promise) throw new Error('a hook waits');
    if (reply instanceof Reply) {
      answer.reply(reply);
      return answer.result(exchange);
    }
  }
  const upstreamTarget =
    exchange.upstreamTarget ?? (exchange.query === '' ? exchange.path : `${exchange.path}?${exchange.query}`);
  const call = new UpstreamCall(method, upstreamTarget, host, exchange.headers, null, exchange);
  exchange.call = call;
  exchange.route.dispatch(call, answer);
  return answer.result(exchange);
}

class Recorder implements Sink {
  readonly takesFramed = false;
  #status = 0;
  #body = '';
  readonly #headers: Record<string, string> = {};

  reply(reply: Reply): void {
    this.#status = reply.status;
    this.#body = reply.error?.code ?? String(reply.body ?? '');
    reply.headers.forEach((name, value) => {
      this.#headers[name] = value;
    });
  }

  informational(): void {}

  head(head: ResponseHead): void {
    this.#status = head.status;
    head.headers.forEach((name, value) => {
      this.#headers[name] = value;
    });
  }

  data(chunk: Chunk): boolean {
    this.#body += chunk.bytes.toString('utf8', chunk.start, chunk.end);
    return true;
  }

  end(): void {}
  upgrade(): void {}

  fail(error: { code: string; status: number }): void {
    this.#status = error.status;
    this.#body = error.code;
  }

  result(exchange: Exchange): TestAnswer {
    return { route: exchange.route, exchange, status: this.#status, headers: this.#headers, body: this.#body };
  }
}
