import type { CheckContext } from './check-context.ts';
import type { CheckedRoute } from './checked-route.ts';
import type { GatewayDocument, MatchDocument } from './plan-document.ts';

/** Ties between the keys of one gateway, and routes that can never answer. */
export function checkConflicts(
  routes: readonly CheckedRoute[],
  gateways: readonly Pick<GatewayDocument, 'hosts'>[],
  context: CheckContext,
): void {
  const byShape = new Map<string, CheckedRoute[]>();
  let group: CheckedRoute[] = [];
  for (const [index, route] of routes.entries()) {
    group.push(route);
    const { document, key } = route;
    if (routes[index + 1]?.document.group === document.group) continue;
    const [first = route] = group;
    const shape = `${document.gateway} ${key.pattern.shape}`;
    const same = byShape.get(shape);
    if (same === undefined) byShape.set(shape, [first]);
    else {
      for (const other of same) checkTie(other, first, context);
      same.push(first);
    }
    checkReach(group, gateways[document.gateway]?.hosts ?? [], context);
    group = [];
  }
}

function checkTie(one: CheckedRoute, other: CheckedRoute, context: CheckContext): void {
  const mine = one.key.methods;
  const its = other.key.methods;
  if ((mine === null) !== (its === null)) return;
  const shared = mine === null ? null : mine.filter((method) => its?.includes(method));
  if (shared !== null && shared.length === 0) return;
  const what = shared === null ? '' : ` for ${shared.join(' and ')}`;
  const related = keyOf(one);
  const remedy = 'Make it one key with a list of alternatives, or change one of the paths.';
  const message = `\`${other.key.path}\` and \`${one.key.path}\` fit the same requests${what}`;
  context.keyError('route-tie', message, remedy, keyOf(other), [related]);
}

/** The key that a route stands under, whichever alternative it is. */
function keyOf({ path, alternative }: CheckedRoute): CheckedRoute['path'] {
  return alternative < 0 ? path : path.slice(0, -1);
}

function checkReach(group: readonly CheckedRoute[], hosts: readonly string[], context: CheckContext): void {
  let taken: CheckedRoute | null = null;
  const seen = new Map<string, CheckedRoute>();
  for (const route of group) {
    const { match, path, allowEncodedSlashes, methods } = route.document;
    const unreachable = (message: string, remedy: string, related: CheckedRoute | null = null): void => {
      context.keyWarning('unreachable', message, remedy, route.path, related === null ? [] : [related.path]);
    };
    if (taken !== null) {
      unreachable('this alternative is never reached: an earlier one takes every request', 'Move it up.', taken);
      continue;
    }
    if (match === null) taken = route;
    const conditions = JSON.stringify(match);
    const before = seen.get(conditions);
    if (match !== null && before !== undefined) {
      unreachable('this alternative is never reached: an earlier one has the same conditions', 'Remove it.', before);
    }
    seen.set(conditions, route);
    if (/%2F/i.test(path) && !allowEncodedSlashes) {
      unreachable('this route is never reached: `%2F` is refused', 'Add `allowEncodedSlashes: true`.');
    }
    if (match?.methods != null && methods !== null && !match.methods.some((method) => methods.includes(method))) {
      unreachable(`this alternative is never reached: its key takes ${methods.join(' and ')}`, 'Leave `method` out.');
    }
    if (match !== null && !canMeet(match, hosts)) {
      unreachable(`this alternative is never reached: its gateway answers for ${hosts.join(', ')}`, 'Correct `host`.');
    }
  }
}

/** Some host of the gateway fits some host of the condition. */
function canMeet({ hosts: asked }: MatchDocument, hosts: readonly string[]): boolean {
  if (asked.length === 0 || hosts.length === 0) return true;
  return asked.some((one) => hosts.some((other) => covers(one, other) || covers(other, one)));
}

function covers(pattern: string, host: string): boolean {
  if (pattern === host) return true;
  if (!pattern.startsWith('*.')) return false;
  return host.replace(/^\*/, 'x').endsWith(pattern.slice(1));
}
