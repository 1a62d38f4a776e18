import type { Reference } from './document.ts';

export type Scalar = string | number | boolean | null;

interface Located {
  /** Index of the file in the loader's list. */
  source: number;
  /** Offset of the key in the file's text; -1 for list items, the top, and files without lines. */
  keyAt: number;
  /** Offset of the value in the file's text; -1 for files without lines. */
  at: number;
  /** Values in this subtree, with every alias counted as often as it is used. */
  size: number;
}

export interface MapNode extends Located {
  kind: 'map';
  entries: Map<string, ConfigNode>;
}

export interface ListNode extends Located {
  kind: 'list';
  items: ConfigNode[];
}

export interface ScalarNode extends Located {
  kind: 'scalar';
  value: Scalar;
  reference: Reference | null;
}

/** A value with its place. Aliases share nodes, so a node is not changed once it is built, but for its reference. */
export type ConfigNode = MapNode | ListNode | ScalarNode;

/** More values than any real configuration has; aliases that multiply beyond it are an attack or an accident. */
export const MAX_VALUES = 2_000_000;

export function mapNode(source: number, at: number, entries: Map<string, ConfigNode> = new Map(), keyAt = -1): MapNode {
  return { kind: 'map', source, keyAt, at, size: sizeOf(entries.values()), entries };
}

export function listNode(source: number, at: number, items: ConfigNode[], keyAt = -1): ListNode {
  return { kind: 'list', source, keyAt, at, size: sizeOf(items), items };
}

export function scalarNode(source: number, at: number, value: Scalar, keyAt = -1): ScalarNode {
  return { kind: 'scalar', source, keyAt, at, size: 1, value, reference: null };
}

function sizeOf(children: Iterable<ConfigNode>): number {
  let size = 1;
  for (const child of children) size += child.size;
  return size;
}

/** Later over earlier: maps merge, everything else is replaced whole. */
export function overlay(earlier: ConfigNode, later: ConfigNode): ConfigNode {
  if (earlier.kind !== 'map' || later.kind !== 'map') return later;
  const entries = new Map(earlier.entries);
  for (const [key, node] of later.entries) {
    const below = entries.get(key);
    entries.set(key, below === undefined ? node : overlay(below, node));
  }
  return mapNode(earlier.source, earlier.at, entries, earlier.keyAt);
}
