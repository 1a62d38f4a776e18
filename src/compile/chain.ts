import type { Exchange } from '../plan/exchange.ts';
import { type DispatchLayer, dispatchLayers, type RequestPhase, requestPhases } from '../plan/phase.ts';
import type { BodyNeed, DispatchHook, Fact, Hooks, RequestHook, ResponseHook } from '../plan/policy.ts';

/** What the policies of a route make of it, in the order of the closed lists. Absent parts are null. */
export interface Chain {
  readonly request: readonly RequestHook[] | null;
  readonly requestBody: readonly BodyNeed[] | null;
  /** Outermost first. */
  readonly layers: readonly DispatchHook[] | null;
  readonly response: readonly ResponseHook[] | null;
  readonly responseBody: readonly BodyNeed[] | null;
  readonly done: readonly ((exchange: Exchange) => void)[] | null;
  /** -1: no limit. */
  readonly maxBody: number;
  readonly answersPreflight: boolean;
}

const phaseOrder = new Map<RequestPhase, number>(requestPhases.map((phase, index) => [phase, index]));
const layerOrder = new Map<DispatchLayer, number>(dispatchLayers.map((layer, index) => [layer, index]));
const LAST_UNIDENTIFIED = phaseOrder.get('preflight') ?? 0;
/** After every request phase. */
const END = requestPhases.length;

/** By phase, and inside a phase as the registry lists them. */
export function inPhaseOrder<T extends { readonly hooks: Hooks }>(entries: readonly T[]): T[] {
  return entries
    .filter(({ hooks }) => hooks.request !== undefined)
    .sort((one, other) => phaseOf(one.hooks) - phaseOf(other.hooks));
}

/** By layer, outermost first. */
export function inLayerOrder<T extends { readonly hooks: Hooks }>(entries: readonly T[]): T[] {
  const order = ({ dispatch }: Hooks): number => (dispatch === undefined ? 0 : (layerOrder.get(dispatch.layer) ?? 0));
  return entries
    .filter(({ hooks }) => hooks.dispatch !== undefined)
    .sort((one, other) => order(one.hooks) - order(other.hooks));
}

export function phaseOf({ request }: Hooks): number {
  return request === undefined ? END : (phaseOrder.get(request.phase) ?? END);
}

/** Phases that a route whose answer is settled still goes through: it is refused before anybody is identified. */
export function isBeforeIdentity(hooks: Hooks): boolean {
  return phaseOf(hooks) <= LAST_UNIDENTIFIED;
}

/**
 * The chain of these hooks, which stand in registry order. `stop` answers instead of everything behind the preflight
 * phase: for routes that are refused, and for requests that no route matches.
 */
export function composeChain(all: readonly Hooks[], stop: RequestHook | null): Chain {
  const entries = all.map((hooks) => ({ hooks }));
  const request = inPhaseOrder(entries)
    .filter(({ hooks }) => stop === null || isBeforeIdentity(hooks))
    .map(({ hooks }) => hooks.request as RequestHook);
  if (stop !== null) request.push(stop);
  const layers = stop === null ? inLayerOrder(entries).map(({ hooks }) => hooks.dispatch as DispatchHook) : [];
  const limits = all.map((hooks) => hooks.maxBody).filter((limit) => limit !== undefined);
  return {
    request: orNull(request),
    requestBody: stop === null ? orNull(present(all.map((hooks) => hooks.requestBody))) : null,
    layers: orNull(layers),
    response: orNull(present(all.map((hooks) => hooks.response))),
    responseBody: orNull(present(all.map((hooks) => hooks.responseBody))),
    done: orNull(present(all.map((hooks) => hooks.done?.bind(hooks)))),
    maxBody: limits.length === 0 ? -1 : Math.min(...limits),
    answersPreflight: request.some((hook) => hook.phase === 'preflight'),
  };
}

export interface UnwrittenFact {
  readonly index: number;
  readonly fact: Fact;
}

/**
 * A fact that something reads though nothing earlier writes it. `given` are facts that hold anyhow; `last` is what is
 * read behind all hooks, by the target.
 */
export function unwrittenFacts(all: readonly Hooks[], given: readonly Fact[], last: readonly Fact[]): UnwrittenFact[] {
  const missing: UnwrittenFact[] = [];
  const isWritten = (fact: Fact, phase: number, index: number): boolean =>
    given.includes(fact) ||
    all.some((hooks, at) => {
      if (hooks.writes?.includes(fact) !== true) return false;
      const writtenIn = phaseOf(hooks);
      return writtenIn < phase || (writtenIn === phase && at <= index);
    });
  for (const [index, hooks] of all.entries()) {
    for (const fact of hooks.reads ?? []) {
      if (!isWritten(fact, phaseOf(hooks), index)) missing.push({ index, fact });
    }
  }
  for (const fact of last) if (!isWritten(fact, END, all.length)) missing.push({ index: -1, fact });
  return missing;
}

function present<T>(items: readonly (T | undefined)[]): T[] {
  return items.filter((item): item is T => item !== undefined);
}

function orNull<T>(items: readonly T[]): readonly T[] | null {
  return items.length === 0 ? null : items;
}
