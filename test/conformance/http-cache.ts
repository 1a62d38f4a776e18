import { once } from 'node:events';
import { Agent, createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getResults, runTests } from 'http-cache-tests/client/runner.mjs';
import handleConfig from 'http-cache-tests/server/handle-config.mjs';
import handleState from 'http-cache-tests/server/handle-state.mjs';
import handleTest from 'http-cache-tests/server/handle-test.mjs';
import mainSuites from 'http-cache-tests/tests/index.mjs';
import surrogateSuite from 'http-cache-tests/tests/surrogate-control.mjs';
import { startGateway } from '../harness.ts';
import { plainFetch } from '../support/plain-fetch.ts';

/**
 * Runs the public suite `http-cache-tests` (https://cache-tests.fyi) against a gateway that does what origins say:
 * `node test/conformance/http-cache.ts [--json]`. It takes half a minute, of which most is waiting for responses to age.
 */
export interface CacheScore {
  readonly required: Tally;
  readonly optimal: Tally;
  /** Those of both kinds that did not pass. */
  readonly failures: readonly Failure[];
  /** Questions without a right answer: those that were answered with yes. */
  readonly yes: readonly string[];
}

export interface Tally {
  readonly passed: number;
  readonly of: number;
}

export interface Failure {
  readonly id: string;
  readonly kind: 'required' | 'optimal';
  readonly name: string;
  /** What the suite says, or what it depends on. */
  readonly reason: string;
}

/** Origins decide; where they are silent lifetimes are guessed, and failures are bridged. */
const config = (origin: string): string => `
routes:
  /*:
    to: ${origin}
    request: { headers: { set: { surrogate-capability: 'Sluice="Surrogate/1.0"' } } }
    cache: { heuristic: true, staleIfError: 1h, setCookie: keep }
`;

/** As many tests at the same time as the suite's own runner lets run: most of their time they wait for responses to age. */
const AT_ONCE = 100;

const suites = [mainSuites, surrogateSuite].flat();
// What only a browser can do is not for a gateway.
const tests = suites.flatMap((suite) => suite.tests).filter((test) => test.browser_only !== true);

export async function runCacheSuite(): Promise<CacheScore> {
  const origin = await startOrigin();
  const agent = new Agent({ keepAlive: true });
  try {
    await using gateway = await startGateway(config(`http://127.0.0.1:${(origin.address() as AddressInfo).port}`), {
      workers: 2,
    });
    await runTests(suites, (url, init) => plainFetch(url, init, agent), false, gateway.url, AT_ONCE);
    return score(getResults());
  } finally {
    agent.destroy();
    origin.closeAllConnections();
    origin.close();
  }
}

async function startOrigin(): Promise<Server> {
  const server = createServer((request, response) => {
    const [kind = '', ...path] = new URL(request.url ?? '/', 'http://origin').pathname.slice(1).split('/');
    if (kind === 'config') handleConfig(path, request, response);
    else if (kind === 'test') handleTest(path, request, response);
    else handleState(path, request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function score(results: Record<string, true | [string, string]>): CacheScore {
  const failures: Failure[] = [];
  const yes: string[] = [];
  const all = { required: 0, optimal: 0 };
  const failed = { required: 0, optimal: 0 };
  for (const { id, name, kind = 'required' } of tests) {
    const reason = reasonOf(id, results);
    if (kind === 'check') {
      if (reason === null) yes.push(id);
      continue;
    }
    all[kind]++;
    if (reason === null) continue;
    failed[kind]++;
    failures.push({ id, kind, name, reason });
  }
  return {
    required: { passed: all.required - failed.required, of: all.required },
    optimal: { passed: all.optimal - failed.optimal, of: all.optimal },
    failures,
    yes,
  };
}

/** Null: it passed, and so did all that it depends on, as the suite's own reports have it. */
function reasonOf(id: string, results: Record<string, true | [string, string]>): string | null {
  const result = results[id];
  if (result === undefined) return 'was not run';
  if (result !== true) return result.join(': ');
  for (const other of tests.find((test) => test.id === id)?.depends_on ?? []) {
    if (reasonOf(other, results) !== null) return `depends on ${other}`;
  }
  return null;
}

if (import.meta.main) {
  const { required, optimal, failures, yes } = await runCacheSuite();
  if (process.argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify({ required, optimal, failures, yes })}\n`);
  } else {
    const lines = [
      `required ${required.passed} of ${required.of}, optimal ${optimal.passed} of ${optimal.of}`,
      ...failures.map(({ id, kind, reason }) => `${kind} ${id}: ${reason}`),
      `yes: ${yes.join(' ')}`,
    ];
    process.stdout.write(`${lines.join('\n')}\n`);
  }
}
