import type { IdentifierModule } from './identifier.ts';
import type { PolicyModule } from './policy.ts';

/** Everything that can be configured by name (`policies/registry.ts` fills it in). */
export interface Registry {
  /** Settings of routes, in the order in which they run inside a phase. */
  readonly policies: readonly PolicyModule[];
  /** Settings of upstreams; they compile to dispatch layers. */
  readonly upstreamPolicies: readonly PolicyModule[];
  /** Kinds of entries of `auth`. */
  readonly identifiers: readonly IdentifierModule[];
}
