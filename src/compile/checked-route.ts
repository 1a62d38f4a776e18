import type { KeyPath } from '../config/key-path.ts';
import type { Fact } from '../plan/policy.ts';
import type { RouteKey } from '../semantics/path-pattern.ts';
import type { Missing } from './check-settings.ts';
import type { EffectiveSettings } from './inherit.ts';
import type { RouteDocument, TargetDocument } from './plan-document.ts';

/** A route with what only the check and `explain` want to know. */
export interface CheckedRoute {
  readonly document: RouteDocument;
  readonly key: RouteKey;
  /** Where it stands. */
  readonly path: KeyPath;
  /** Its position in its list of alternatives, or -1. */
  readonly alternative: number;
  /** Aligned with `document.uses`: where the options stand, the nearest first. */
  readonly useSources: readonly (readonly KeyPath[])[];
  /** What its target reads of what policies find out. */
  readonly reads: readonly Fact[];
  readonly settings: EffectiveSettings;
  /** Settings for which it is refused. */
  readonly missing: readonly Missing[];
  /** Its target, refused or not. */
  readonly target: TargetDocument;
  readonly owner: string | null;
  readonly runbook: string | null;
  readonly tags: readonly string[];
}
