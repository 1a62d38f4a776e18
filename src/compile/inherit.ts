import type { z } from 'zod';
import type { KeyPath } from '../config/key-path.ts';
import { definitionOf, leaves, metaOf } from '../config/schema-walk.ts';
import type { Settings } from './model/document.ts';

/** The effective value of one setting, with the places that it came from. */
export interface Setting {
  readonly value: unknown;
  /** Where it stands, the nearest first; more than one after a merge by name. */
  readonly sources: readonly KeyPath[];
}

export type EffectiveSettings = ReadonlyMap<string, Setting>;

export interface Layer {
  readonly settings: Settings;
  readonly path: KeyPath;
}

/** What happened to a farther setting when a nearer layer was put over it. */
export interface Loss {
  readonly setting: string;
  /** Keys of the farther value that hold no more; null: all of it. */
  readonly keys: readonly string[] | null;
  /** Where it was taken away. */
  readonly path: KeyPath;
  readonly from: KeyPath;
}

export const noSettings: EffectiveSettings = new Map();

/**
 * Puts a nearer layer over what holds so far. The nearer value replaces the farther one whole; `false` removes it; maps
 * that their schema marks merge by name, and `false` removes a name. `keepsFalse`: settings whose `false` says something.
 */
export function overlaySettings(
  base: EffectiveSettings,
  layer: Layer,
  named: ReadonlyMap<string, readonly KeyPath[]>,
  lose: (loss: Loss) => void,
  keepsFalse: ReadonlySet<string> = new Set(),
): EffectiveSettings {
  let result: Map<string, Setting> | null = null;
  for (const key of Object.keys(layer.settings)) {
    const value = layer.settings[key];
    if (value === undefined) continue;
    result ??= new Map(base);
    const path = [...layer.path, key];
    const farther = base.get(key);
    if (value === false && !keepsFalse.has(key)) {
      result.delete(key);
      if (farther !== undefined) lose({ setting: key, keys: null, path, from: nearest(farther) });
      continue;
    }
    const merges = named.get(key) ?? [];
    const merged = merges.length === 0 ? value : mergeNamed(farther?.value, value, merges);
    const sources = farther !== undefined && merges.length > 0 ? [path, ...farther.sources] : [path];
    result.set(key, { value: merged, sources });
    if (farther !== undefined) {
      const keys = lostKeys(farther.value, merged);
      if (keys.length > 0) lose({ setting: key, keys, path, from: nearest(farther) });
    }
  }
  return result ?? base;
}

function nearest(setting: Setting): KeyPath {
  return setting.sources[0] ?? [];
}

function lostKeys(before: unknown, after: unknown): string[] {
  if (!isMap(before) || !isMap(after)) return [];
  return Object.keys(before).filter((key) => before[key] !== undefined && after[key] === undefined);
}

function mergeNamed(farther: unknown, nearer: unknown, paths: readonly KeyPath[]): unknown {
  let result = nearer;
  for (const path of paths) {
    const above = valueAt(farther, path);
    const own = valueAt(nearer, path);
    if (!isMap(own) && !isMap(above)) continue;
    if (own !== undefined && !isMap(own)) continue;
    const entries = { ...(isMap(above) ? above : {}), ...(own ?? {}) };
    for (const name of Object.keys(entries)) if (entries[name] === false) delete entries[name];
    result = replaceAt(result, path, entries);
  }
  return result;
}

function replaceAt(value: unknown, path: KeyPath, replacement: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return replacement;
  const map = isMap(value) ? value : {};
  return { ...map, [key]: replaceAt(map[key], rest, replacement) };
}

export function valueAt(value: unknown, path: KeyPath): unknown {
  let at = value;
  for (const key of path) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Record<string | number, unknown>)[key];
  }
  return at;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Where in the options of a setting the maps are that merge by name; `[]` for the options themselves. */
export function namedMapsIn(schema: z.ZodType): KeyPath[] {
  const found: KeyPath[] = [];
  for (const { schema: leaf } of leaves(schema)) {
    if (metaOf(leaf).mergeByName === true) found.push([]);
    const { shape } = definitionOf(leaf);
    for (const [key, child] of Object.entries(shape ?? {})) {
      for (const below of namedMapsIn(child)) found.push([key, ...below]);
    }
  }
  return found;
}
