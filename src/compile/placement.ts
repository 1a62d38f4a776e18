import type { KeyPath } from '../config/key-path.ts';
import type { Placement } from '../plan/policy.ts';
import { type EffectiveSettings, valueAt } from './inherit.ts';

/** The route whose settings are looked at; for what no route matches, its gateway. */
export interface PlacedRoute {
  /** Where it stands; null where no route does. */
  readonly path: KeyPath | null;
  readonly gateway: string;
  readonly name: string;
  readonly isPublic: boolean;
  readonly target: Placement['target'];
  readonly isConditional: boolean;
}

/** Where no service is asked. */
export const NO_SERVICE = { target: 'other', isConditional: false } as const;

/** What a policy may know about where the options of this setting come from. `document`: as loaded. */
export function placementOf(
  setting: string,
  settings: EffectiveSettings,
  route: PlacedRoute,
  document: unknown,
): Placement {
  const sources = settings.get(setting)?.sources ?? [];
  const sourceOf = (path: KeyPath): KeyPath => {
    const declares = (source: KeyPath): boolean => {
      const value = valueAt(document, [...source, ...path]);
      return value !== undefined && value !== false;
    };
    return sources.find(declares) ?? sources[0] ?? [];
  };
  const isOwn = (path: KeyPath): boolean => {
    const source = sourceOf(path);
    return route.path?.every((key, index) => source[index] === key) ?? false;
  };
  return {
    isOwn,
    scopeOf: (path) => (isOwn(path) ? `route ${route.gateway} ${route.name}` : layerOf(sourceOf(path))),
    isPublic: route.isPublic,
    target: route.target,
    isConditional: route.isConditional,
    setting: (name) => settings.get(name)?.value,
  };
}

function layerOf([section, name]: KeyPath): string {
  if (section === 'gateways') return `gateway ${name}`;
  return section === 'presets' ? `preset ${name}` : 'defaults';
}
