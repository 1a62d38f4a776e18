import type { Hooks, RequestHook, RouteFacts } from '../plan/policy.ts';
import { type Chain, composeChain } from './chain.ts';
import type { PolicyCompiler, Tie } from './policy-compiler.ts';
import { refuseMissing } from './targets.ts';

/** Routes with equal policies share one chain, unless those look at more than the names of the parameters. */
export class Chains {
  readonly #compiler: PolicyCompiler;
  readonly #known = new Map<string, Chain>();

  constructor(compiler: PolicyCompiler) {
    this.#compiler = compiler;
  }

  /** `stop`: see `composeChain`. */
  of(uses: readonly number[], facts: RouteFacts, stop: RequestHook | null): Chain {
    const isOwn = stop !== null && stop !== refuseMissing;
    const key = `${uses.join(' ')}${stop === null ? '' : ' refused'}`;
    const named = `${key} ${facts.parameters.join(' ')}`;
    const known = isOwn ? undefined : (this.#known.get(key) ?? this.#known.get(named));
    if (known !== undefined) return known;
    let tie: Tie = 'none';
    const hooks: Hooks[] = [];
    for (const use of uses) {
      const compiled = this.#compiler.hooks(use, facts);
      if (tie !== 'route' && compiled.tie !== 'none') tie = compiled.tie;
      hooks.push(...compiled.hooks);
    }
    const chain = composeChain(hooks, stop);
    if (!isOwn && tie !== 'route') this.#known.set(tie === 'none' ? key : named, chain);
    return chain;
  }
}
