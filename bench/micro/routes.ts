import { HeaderBlock } from '../../src/base/headers.ts';
import { Exchange } from '../../src/plan/exchange.ts';
import type { Route } from '../../src/plan/plan.ts';
import { RouteMatch, type RouteTree } from '../../src/plan/route-tree.ts';
import { RouteTreeBuilder } from '../../src/plan/route-tree-builder.ts';
import { parseRouteKey } from '../../src/semantics/path-pattern.ts';
import { routePath } from '../peers/peer.ts';
import type { Micro } from './harness.ts';

/** What does it cost to find a route, among few and among many? */

const METHODS = ['', 'GET ', 'POST ', 'GET,PUT '] as const;
/** Steps through all routes in an order that no cache line or branch predictor can foresee. */
const STRIDE = 7_919;

export function routeOf(name: string, parameters: readonly string[]): Route {
  return {
    series: 0,
    name,
    gateway: 'bench',
    pattern: name,
    parameters,
    request: null,
    requestBody: null,
    dispatch: () => {},
    response: null,
    responseBody: null,
    done: null,
    answersPreflight: false,
    errorPages: null,
    maxBody: -1,
    allowEncodedSlashes: false,
  };
}

/** Patterns of the four kinds that a large configuration is made of. */
function patternOf(index: number): { key: string; path: string; method: string } {
  const base = routePath(index);
  const prefix = METHODS[index % METHODS.length] ?? '';
  const method = prefix.trim().split(',')[0] || 'GET';
  switch (index % 3) {
    case 0:
      return { key: `${prefix}${base}/{id}`, path: `${base}/${index}7`, method };
    case 1:
      return { key: `${prefix}${base}/{id}/parts/{part}`, path: `${base}/${index}/parts/a${index}`, method };
    default:
      return { key: `${prefix}${base}/*`, path: `${base}/any/thing/${index}`, method };
  }
}

function treeOf(keys: readonly string[]): RouteTree {
  const builder = new RouteTreeBuilder();
  for (const text of keys) {
    const key = parseRouteKey(text);
    if (!key.ok) throw new Error(`${text}: ${key.message}`);
    const { methods, pattern } = key.value;
    const route = routeOf(text, pattern.parameters);
    builder.add(pattern, { methods, alternatives: [{ route, methods: null, when: null }] });
  }
  const build = builder.build();
  for (;;) {
    const step = build.next();
    if (step.done) return step.value;
  }
}

function finding(measure: string, count: number): Micro {
  const patterns = Array.from({ length: count }, (_, index) => patternOf(index));
  const tree = treeOf(patterns.map((pattern) => pattern.key));
  const match = new RouteMatch();
  const peer = { address: '', port: 0, tls: false, trusted: false, listener: '', certificate: null };
  const exchange = new Exchange(peer, new HeaderBlock(), routeOf('none', []));
  // Slices of received text, as the parser makes them.
  const requests = patterns.map(({ path, method }) => {
    const text = Buffer.from(`${method} ${path} HTTP/1.1\r\nHost: bench.example\r\n\r\n`, 'latin1').toString('latin1');
    return { method, path: text.slice(method.length + 1, method.length + 1 + path.length) };
  });
  for (const { method, path } of requests) {
    if (tree.find(method, path, exchange, match) === null) throw new Error(`${method} ${path} finds nothing`);
  }
  let at = 0;
  return {
    measure,
    run(times) {
      let sum = 0;
      for (let i = 0; i < times; i++) {
        at = (at + STRIDE) % count;
        const request = requests[at];
        if (request === undefined) continue;
        const found = tree.find(request.method, request.path, exchange, match);
        if (found !== null) sum += match.parameters.length;
      }
      return sum;
    },
  };
}

export const routes: readonly Micro[] = [
  finding('look-up among 10 routes', 10),
  finding('look-up among 10,000 routes', 10_000),
];
