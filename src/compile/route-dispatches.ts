import type { Dispatch } from '../plan/call.ts';
import { respondWith } from '../plan/fixed-answer.ts';
import type { DispatchHook } from '../plan/policy.ts';
import { compileTemplate } from '../plan/template.ts';
import type { Chain } from './chain.ts';
import { withDeadline } from './deadline.ts';
import { publicKeyFeeds, respondJwks } from './jwks-target.ts';
import type { PolicyUse, RouteDocument, TargetDocument } from './plan-document.ts';
import type { PlanPorts } from './plan-ports.ts';
import { type Side, split } from './split.ts';
import { neverDispatched, redirectTo, respondReady, withoutUpgrade } from './targets.ts';
import { isInsideUpstream, type UpstreamLayers } from './upstream-layers.ts';

type LocalTarget = Exclude<TargetDocument, { kind: 'upstream' | 'weighted' }>;

export interface RouteDispatchParts {
  readonly uses: readonly PolicyUse[];
  /** Users' handlers by file, before the first route asks for one. */
  readonly handlers: ReadonlyMap<string, Dispatch>;
  readonly ports: Pick<PlanPorts, 'feeds' | 'ready'>;
}

/** What the calls of a route go through: its target, with the layers of its policies and of the upstream around it. */
export class RouteDispatches {
  readonly #parts: RouteDispatchParts;
  readonly #upstreams = new Map<number, UpstreamLayers>();

  constructor(parts: RouteDispatchParts) {
    this.#parts = parts;
  }

  /** All of them, before the first route asks for one. */
  addUpstream(index: number, layers: UpstreamLayers): void {
    this.#upstreams.set(index, layers);
  }

  of(document: RouteDocument, parameters: readonly string[], { layers: hooks }: Pick<Chain, 'layers'>): Dispatch {
    const layers = hooks ?? [];
    let dispatch = this.#target(document, parameters, layers.filter(isInsideUpstream));
    const deadline = document.timeout;
    // Innermost first; the route's own time limit is the outermost of the `deadline` layer.
    for (let i = layers.length - 1; i >= 0; i--) {
      const hook = layers[i] as DispatchHook;
      if (!isInsideUpstream(hook) && !isOutsideDeadline(hook.layer)) dispatch = hook.wrap(dispatch, null);
    }
    if (deadline > 0) dispatch = withDeadline(deadline, dispatch);
    for (let i = layers.length - 1; i >= 0; i--) {
      const hook = layers[i] as DispatchHook;
      if (isOutsideDeadline(hook.layer)) dispatch = hook.wrap(dispatch, null);
    }
    return dispatch;
  }

  /** `inside`: the route's layers around each attempt. */
  #target(document: RouteDocument, parameters: readonly string[], inside: readonly DispatchHook[]): Dispatch {
    const { target, upgrade } = document;
    if (target.kind === 'upstream') return this.upstream(target.upstream, upgrade, inside);
    if (target.kind === 'weighted') {
      const sides = target.upstreams.map((index, position): Side => {
        const name = this.#layersOf(index).options.name;
        const dispatch = this.upstream(index, upgrade, inside);
        return { name, weight: target.weights[position] ?? 0, dispatch };
      });
      return split(sides, target.split);
    }
    let dispatch = this.#localTarget(target, parameters);
    for (let i = inside.length - 1; i >= 0; i--) dispatch = (inside[i] as DispatchHook).wrap(dispatch, null);
    return dispatch;
  }

  #localTarget(target: LocalTarget, parameters: readonly string[]): Dispatch {
    switch (target.kind) {
      case 'redirect': {
        const { template, problem } = compileTemplate(target.to, 'url', parameters);
        if (template === null) throw new Error(problem.message);
        return redirectTo(template, target.status, target.keepQuery);
      }
      case 'respond':
        return respondWith(target.status, target);
      case 'ready':
        return respondReady(this.#parts.ports);
      case 'jwks':
        return respondJwks(publicKeyFeeds(this.#parts.uses, this.#parts.ports.feeds));
      case 'handler':
        return this.handler(target.file);
      case 'identifier':
      case 'refused':
      case 'unmatched':
        return neverDispatched;
    }
  }

  upstream(index: number, upgrade: boolean, inside: readonly DispatchHook[] = []): Dispatch {
    const layers = this.#layersOf(index);
    const dispatch = layers.within(inside);
    return upgrade && layers.options.upgrade ? dispatch : withoutUpgrade(dispatch);
  }

  handler(file: string): Dispatch {
    return this.#parts.handlers.get(file) ?? neverDispatched;
  }

  #layersOf(index: number): UpstreamLayers {
    const layers = this.#upstreams.get(index);
    if (layers === undefined) throw new Error(`there is no upstream ${index}`);
    return layers;
  }
}

function isOutsideDeadline(layer: string): boolean {
  return layer === 'fallback' || layer === 'cache' || layer === 'transform' || layer === 'mirror';
}
