import type { Dispatch } from '../plan/call.ts';
import { type DispatchLayer, dispatchLayers } from '../plan/phase.ts';
import type { DispatchHook } from '../plan/policy.ts';
import type { Upstream, UpstreamOptions } from '../plan/upstream.ts';
import { withClientDeadline } from './deadline.ts';

const order = new Map<DispatchLayer, number>(dispatchLayers.map((layer, index) => [layer, index]));
const FIRST_INSIDE = order.get('retry') ?? 0;

/** A route's layer that stands around each attempt at a service, and so inside the layers that its upstream has further out. */
export function isInsideUpstream({ layer }: DispatchHook): boolean {
  return (order.get(layer) ?? 0) >= FIRST_INSIDE;
}

/** A pool with the layers of its upstream around it, for those who call it by themselves and for routes with layers of their own. */
export class UpstreamLayers {
  readonly options: UpstreamOptions;
  /** With the upstream's own layers. */
  readonly dispatch: Dispatch;
  readonly #upstream: Upstream;
  /** Outermost first. */
  readonly #own: readonly DispatchHook[];

  constructor(upstream: Upstream, own: readonly DispatchHook[]) {
    this.#upstream = upstream;
    this.options = upstream.options;
    this.#own = own;
    this.dispatch = this.#fold(own);
  }

  /** The same with some of a route's, outermost first. */
  within(routes: readonly DispatchHook[]): Dispatch {
    return routes.length === 0 ? this.dispatch : this.#fold(mergedLayers(routes, this.#own));
  }

  #fold(hooks: readonly DispatchHook[]): Dispatch {
    let { dispatch } = this.#upstream;
    for (let i = hooks.length - 1; i >= 0; i--) dispatch = (hooks[i] as DispatchHook).wrap(dispatch, this.options);
    return dispatch;
  }
}

/** What an upstream's own settings ask for, beside its policies. */
export function ownLayers({ deadlineHeader }: UpstreamOptions): DispatchHook[] {
  if (!deadlineHeader?.trust) return [];
  return [{ layer: 'deadline', wrap: (next) => withClientDeadline(deadlineHeader, next) }];
}

/** In the order of layers, a route's outside of its upstream's, except where it takes their place. */
export function mergedLayers<H extends Pick<DispatchHook, 'layer' | 'replacesUpstreams'>>(
  routes: readonly H[],
  upstreams: readonly H[],
): H[] {
  const replaced = new Set(routes.filter((hook) => hook.replacesUpstreams === true).map(({ layer }) => layer));
  const kept = upstreams.filter(({ layer }) => !replaced.has(layer));
  return [...routes, ...kept].sort((one, other) => (order.get(one.layer) ?? 0) - (order.get(other.layer) ?? 0));
}
