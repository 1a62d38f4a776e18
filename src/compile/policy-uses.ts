import type { KeyPath } from '../config/key-path.ts';
import type { PolicyModule } from '../plan/policy.ts';
import type { CommonUse } from './check-identity-headers.ts';
import type { EffectiveSettings } from './inherit.ts';
import { Interner } from './interner.ts';
import { type PlacedRoute, placementOf } from './placement.ts';
import type { PolicyUse } from './plan-document.ts';
import type { ReferenceResolver } from './references.ts';

/** The policies of a route: indices of distinct uses in the order of the registry, and where each one's options stand. */
export interface RouteUses {
  readonly uses: readonly number[];
  /** Aligned with `uses`, the nearest first. */
  readonly useSources: readonly (readonly KeyPath[])[];
}

interface Known {
  readonly order: number;
  readonly module: PolicyModule;
}

/** Makes uses of policies out of settings. */
export class PolicyUses {
  readonly distinct = new Interner<PolicyUse>();
  readonly #policies: ReadonlyMap<string, Known>;
  readonly #common: readonly CommonUse[];
  readonly #references: ReferenceResolver;
  /** The configuration as loaded. */
  readonly #loaded: unknown;
  readonly #bySettings = new WeakMap<EffectiveSettings, Map<string, RouteUses>>();

  /** `policies` in the order of the registry; `common`: uses of every route, beside what its settings say. */
  constructor(
    policies: readonly PolicyModule[],
    common: readonly CommonUse[],
    references: ReferenceResolver,
    loaded: unknown,
  ) {
    this.#policies = new Map(policies.map((module, order) => [module.name, { order, module }]));
    this.#common = common;
    this.#references = references;
    this.#loaded = loaded;
  }

  /** Routes with the same settings got all of them from elsewhere: what is placed is placed alike, before like targets. */
  of(settings: EffectiveSettings, route: PlacedRoute): RouteUses {
    const like = `${route.target} ${route.isConditional}`;
    const alike = this.#bySettings.get(settings) ?? new Map<string, RouteUses>();
    const known = alike.get(like);
    if (known !== undefined) return known;
    const found: { order: number; use: number; sources: readonly KeyPath[] }[] = [];
    for (const { policy, options, sources } of this.#common) {
      found.push({ order: this.#policies.get(policy)?.order ?? 0, use: this.#use(policy, options), sources });
    }
    for (const [policy, { value, sources }] of settings) {
      const known = this.#policies.get(policy);
      if (known === undefined) continue;
      const { order, module } = known;
      const options = module.place?.(value, placementOf(policy, settings, route, this.#loaded)) ?? value;
      const references = this.#references.resolve(module, value, sources);
      const use =
        references === null
          ? this.#use(policy, options)
          : this.distinct.indexOf(policy, { options, references }, () => ({ policy, options, references }));
      found.push({ order, use, sources });
    }
    found.sort((one, other) => one.order - other.order);
    const made = { uses: found.map(({ use }) => use), useSources: found.map(({ sources }) => sources) };
    this.#bySettings.set(settings, alike.set(like, made));
    return made;
  }

  #use(policy: string, options: unknown): number {
    return this.distinct.indexOf(policy, options, () => ({ policy, options }));
  }
}
