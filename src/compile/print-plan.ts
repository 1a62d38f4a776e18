import type { Plan, Route } from '../plan/plan.ts';
import type { RouteGroup } from '../plan/route-tree-layout.ts';

/** A plan as text, for golden files: whatever a route does not use shows as `null`. */
export function printPlan(plan: Plan): string {
  const lines = ['listeners'];
  for (const { address, tls, proxyProtocol } of plan.listeners) {
    const secure = tls === null ? 'tls null' : `tls ${tls.minVersion} ${tls.certificates.length} certificates`;
    lines.push(`  ${address}  ${secure}  proxyProtocol ${proxyProtocol}`);
  }
  lines.push(`limits ${JSON.stringify(plan.limits)}`, `forwarding ${JSON.stringify(plan.forwarding)}`);
  for (const { name, tree, unmatched } of plan.hosts.gateways()) {
    lines.push('', `gateway ${name}`);
    for (const group of [...tree.groups()].sort(byPattern)) lines.push(...printGroup(group));
    lines.push(...printRoute(unmatched, 'unmatched'));
  }
  return `${lines.join('\n')}\n`;
}

function byPattern(one: RouteGroup, other: RouteGroup): number {
  const key = ({ alternatives, methods }: RouteGroup): string =>
    `${alternatives[0]?.route.pattern} ${methods?.join(',') ?? '~'}`;
  return key(one) < key(other) ? -1 : 1;
}

function printGroup({ methods, alternatives }: RouteGroup): string[] {
  return alternatives.flatMap(({ route, when, methods: own }) => {
    const conditions = `${own === null ? '' : ` match ${own.join(',')}`}${when === null ? '' : ' if'}`;
    return printRoute(route, `${methods?.join(',') ?? '*'} ${route.pattern}${conditions}`);
  });
}

function printRoute(route: Route, title: string): string[] {
  const facts: Record<string, string> = {
    name: `${route.name} (series ${route.series})`,
    parameters: route.parameters.join(' ') || 'none',
    request: list(route.request, ({ phase }) => phase),
    requestBody: list(route.requestBody, (need) => Object.keys(need)[0] ?? ''),
    dispatch: route.dispatch.name || 'upstream',
    response: count(route.response),
    responseBody: list(route.responseBody, (need) => Object.keys(need)[0] ?? ''),
    done: count(route.done),
    answersPreflight: String(route.answersPreflight),
    errorPages: route.errorPages === null ? 'null' : [...route.errorPages.keys()].join(' '),
    maxBody: String(route.maxBody),
    allowEncodedSlashes: String(route.allowEncodedSlashes),
  };
  return [`  ${title}`, ...Object.entries(facts).map(([key, value]) => `    ${key.padEnd(20)}${value}`)];
}

function list<T>(items: readonly T[] | null, word: (item: T) => string): string {
  return items === null ? 'null' : items.map(word).join(' ');
}

function count(items: readonly unknown[] | null): string {
  return items === null ? 'null' : `${items.length} hooks`;
}
