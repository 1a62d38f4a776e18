import type { LoadedConfig } from '../config/document.ts';
import type { KeyPath } from '../config/key-path.ts';
import type { PolicyModule, Reference } from '../plan/policy.ts';
import type { CheckContext } from './check-context.ts';
import { handlerFile } from './check-targets.ts';
import type { UpstreamTable } from './check-upstreams.ts';
import { valueAt } from './inherit.ts';

/** What the options of one use of a policy name, by the text that names it. Dead references are left out. */
export interface References {
  /** Indices of upstreams. */
  readonly upstreams: readonly (readonly [reference: string, upstream: number])[];
  /** Absolute paths. */
  readonly handlers: readonly (readonly [reference: string, file: string])[];
}

/** Follows the references that policies find in their options; what leads nowhere is reported where it stands. */
export class ReferenceResolver {
  readonly #upstreams: UpstreamTable;
  readonly #context: CheckContext;

  constructor(upstreams: UpstreamTable, context: CheckContext) {
    this.#upstreams = upstreams;
    this.#context = context;
  }

  /** `sources`: where the options stand, the nearest first. Null: there are none. */
  resolve(module: PolicyModule, options: unknown, sources: readonly KeyPath[]): References | null {
    if (module.references === undefined) return null;
    const upstreams = new Map<string, number>();
    const handlers = new Map<string, string>();
    for (const { kind, name, path } of this.#named(module, options, sources)) {
      const at = placeOf(this.#context.loaded, sources, path);
      if (kind === 'handler') {
        handlers.set(name, handlerFile(name, at, this.#context));
        continue;
      }
      const upstream = this.#upstreams.resolve(name, at);
      if (upstream >= 0) upstreams.set(name, upstream);
    }
    return upstreams.size + handlers.size === 0 ? null : { upstreams: [...upstreams], handlers: [...handlers] };
  }

  /** A user's policy may be wrong. */
  #named(module: PolicyModule, options: unknown, sources: readonly KeyPath[]): readonly Reference[] {
    try {
      return module.references?.(options) ?? [];
    } catch (error) {
      const message = `this policy failed to say what it names: ${error instanceof Error ? error.message : String(error)}`;
      this.#context.keyError('policy-failed', message, 'Correct the policy.', sources[0] ?? []);
      return [];
    }
  }
}

function placeOf({ value }: LoadedConfig, sources: readonly KeyPath[], path: KeyPath): KeyPath {
  for (const source of sources) {
    const at = written(value, source, path);
    if (valueAt(value, at) !== undefined) return at;
  }
  return sources[0] ?? [];
}

/** A list with one item may be written without the list. */
function written(document: unknown, source: KeyPath, path: KeyPath): KeyPath {
  let at = source;
  for (const key of path) {
    if (key !== 0 || Array.isArray(valueAt(document, at))) at = [...at, key];
  }
  return at;
}
