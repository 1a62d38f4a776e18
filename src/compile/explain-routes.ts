import type { Place } from '../base/problem.ts';
import type { Exchange } from '../plan/exchange.ts';
import type { Gateway } from '../plan/host-table.ts';
import type { Route } from '../plan/plan.ts';
import { accepts } from '../plan/route-tree.ts';
import type { CheckedConfig } from './check.ts';
import type { CheckedRoute } from './checked-route.ts';
import { conditionsOf } from './conditions.ts';

/** A route that nearly answered. */
export interface NearRoute {
  readonly name: string;
  readonly place: Place;
  readonly why: string;
}

/** Routes shown when the path fits none. */
const MAX_SIMILAR = 3;

/** Why this one answers, in words behind "because". */
export function whyRoute({ document, key, alternative }: CheckedRoute, exchange: Exchange): string {
  const reasons: string[] = [];
  const { pattern } = key;
  if (pattern.kind === 'regex') reasons.push('its regular expression fits the whole path');
  else if (pattern.wildcard) reasons.push('no more specific pattern fits the path');
  else if (pattern.parameters.length > 0) reasons.push('its segments fit, and nothing fits more exactly');
  else reasons.push('its path is exactly this one');
  if (document.methods !== null) {
    const isHead = exchange.method === 'HEAD' && !document.methods.includes('HEAD');
    reasons.push(isHead ? 'HEAD is answered by what answers GET' : `it takes ${document.methods.join(' and ')}`);
  }
  if (alternative >= 0) {
    const { match } = document;
    const names = match === null ? [] : conditionsOf(match).map(({ name }) => name);
    if (match?.methods != null) names.unshift('method');
    const how = names.length === 0 ? 'it has no further condition' : `its conditions hold (${names.join(', ')})`;
    reasons.push(`as alternative ${alternative + 1}, ${how}`);
  }
  return reasons.join('; ');
}

/** Other routes whose pattern fits the path, or where there are none, those that look like it. */
export function nearRoutes(
  gateway: Gateway,
  found: Route | null,
  exchange: Exchange,
  checkedOf: (route: Route) => CheckedRoute,
  config: CheckedConfig,
): NearRoute[] {
  const near: NearRoute[] = [];
  let isBehind = false;
  const { origins } = config.loaded;
  for (const { groups } of gateway.tree.candidates(exchange.path)) {
    for (const group of groups) {
      for (const { route } of group.alternatives) {
        if (route === found) {
          isBehind = true;
          continue;
        }
        const checked = checkedOf(route);
        const why = whyNot(checked, exchange, isBehind, found === null ? null : checkedOf(found));
        near.push({ name: route.name, place: origins.keyPlace(checked.path), why });
      }
    }
  }
  return near.length > 0 || found !== null ? near : similarRoutes(gateway, exchange, config);
}

function whyNot(
  { document, key }: CheckedRoute,
  exchange: Exchange,
  isBehind: boolean,
  winner: CheckedRoute | null,
): string {
  const { methods, match } = document;
  if (methods !== null && !accepts(methods, exchange.method)) return `it takes ${methods.join(' and ')} only`;
  if (match?.methods != null && !accepts(match.methods, exchange.method)) {
    return `its \`match\` takes ${match.methods.join(' and ')} only`;
  }
  const failed = match === null ? undefined : conditionsOf(match).find(({ holds }) => !holds(exchange));
  if (failed !== undefined) return `its \`match\` fails: ${failed.name}`;
  if (winner !== null && winner.document.group === document.group) return 'an earlier alternative fits';
  if (winner !== null && winner.key.pattern.shape === key.pattern.shape) {
    return 'a route that names the method goes before one that does not';
  }
  return isBehind ? 'it is less specific' : 'a more specific one answers';
}

/** Those that share the longest beginning with the path. */
function similarRoutes(gateway: Gateway, exchange: Exchange, config: CheckedConfig): NearRoute[] {
  const { origins } = config.loaded;
  const names = config.document?.gateways.map(({ name }) => name) ?? [];
  return config.routes
    .filter(({ document }) => names[document.gateway] === gateway.name)
    .map((route) => ({ route, shared: sharedSegments(route.document.path, exchange.path) }))
    .filter(({ shared }) => shared > 0)
    .sort((one, other) => other.shared - one.shared)
    .slice(0, MAX_SIMILAR)
    .map(({ route }) => ({
      name: route.document.name,
      place: origins.keyPlace(route.path),
      why: 'its path does not fit',
    }));
}

function sharedSegments(pattern: string, path: string): number {
  const wanted = path.split('/').slice(1);
  let shared = 0;
  for (const [index, segment] of pattern.split('/').slice(1).entries()) {
    if (segment !== wanted[index] && !segment.startsWith('{')) break;
    if (wanted[index] === undefined) break;
    shared += segment.startsWith('{') ? 0.5 : 1;
  }
  return shared;
}
