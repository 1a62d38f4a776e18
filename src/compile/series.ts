import { OTHER_ROUTES, OTHER_UPSTREAMS } from '../shared-memory/metrics.ts';
import type { PlanDocument, RouteDocument } from './plan-document.ts';

/** Series by name, as they go from one configuration to the next. */
export interface KnownSeries {
  readonly routes: readonly { readonly series: number; readonly gateway: string; readonly route: string }[];
  readonly upstreams: readonly { readonly series: number; readonly upstream: string }[];
}

export const noSeries: KnownSeries = { routes: [], upstreams: [] };

export interface DocumentWithSeries {
  readonly document: PlanDocument;
  readonly series: KnownSeries;
}

/**
 * Gives every route and upstream of a document its series: the one that its name has had, else the next free one, so
 * that counters go on over reloads. Names that are gone keep theirs, or what was counted would fall. When there are no
 * more, the last one counts all the rest.
 */
export function assignSeries(document: PlanDocument, known: KnownSeries): DocumentWithSeries {
  const routeNumbers = new Map(known.routes.map(({ gateway, route, series }) => [nameOf(gateway, route), series]));
  const routes = [...known.routes];
  const numbered = (route: RouteDocument): RouteDocument => {
    const gateway = document.gateways[route.gateway]?.name ?? '';
    const name = nameOf(gateway, route.name);
    let series = routeNumbers.get(name);
    if (series === undefined) {
      series = Math.min(routeNumbers.size, OTHER_ROUTES);
      if (series < OTHER_ROUTES) {
        routeNumbers.set(name, series);
        routes.push({ series, gateway, route: route.name });
      }
    }
    return { ...route, series };
  };
  const upstreamNumbers = new Map(known.upstreams.map(({ upstream, series }) => [upstream, series]));
  const upstreams = document.upstreams.map((upstream) => {
    const series = upstreamNumbers.get(upstream.name) ?? Math.min(upstreamNumbers.size, OTHER_UPSTREAMS);
    if (series < OTHER_UPSTREAMS) upstreamNumbers.set(upstream.name, series);
    return { ...upstream, series };
  });
  const gateways = document.gateways.map((gateway) => ({ ...gateway, unmatched: numbered(gateway.unmatched) }));
  return {
    document: { ...document, gateways, routes: document.routes.map(numbered), upstreams },
    series: { routes, upstreams: [...upstreamNumbers].map(([upstream, series]) => ({ series, upstream })) },
  };
}

function nameOf(gateway: string, route: string): string {
  return `${gateway}\n${route}`;
}
