/** What happens on routes and operators alert on: each is counted for itself, by route. */
export const routeEvents = {
  /** Which step of a fallback answered. */
  fallback: ['stale', 'to', 'respond', 'handler'],
  /** What became of copies; `skipped`: none was sent, for want of room. */
  mirror: ['answered', 'failed', 'skipped'],
  fault: ['delay', 'abort'],
  /** `CacheResult`. */
  cache: ['hit', 'stale', 'coalesced', 'revalidated', 'miss', 'bypass'],
} as const;

export type RouteEventGroup = keyof typeof routeEvents;
/** Its place among all of them, in their order. */
export type RouteEvent = number;

export const ROUTE_EVENTS = Object.values(routeEvents).reduce((sum, { length }) => sum + length, 0);

/** For load time: the group's events stand side by side. */
export function routeEvent<G extends RouteEventGroup>(group: G, name: (typeof routeEvents)[G][number]): RouteEvent {
  let at = 0;
  for (const [other, names] of Object.entries(routeEvents)) {
    if (other === group) return at + (names as readonly string[]).indexOf(name);
    at += names.length;
  }
  return at;
}

/** Counts them, without waiting. `series`: of the route. */
export interface RouteEventCounter {
  count(series: number, event: RouteEvent): void;
}

/** For checks and explanations, where nothing happens. */
export const nothingHappens: RouteEventCounter = { count: () => undefined };
