import { type ConfigNode, listNode, mapNode, scalarNode } from './node.ts';

/** JSON data of an evaluated configuration into nodes without lines: the key path stands in for them. */
export function readData(value: unknown, source: number): ConfigNode {
  if (Array.isArray(value)) {
    return listNode(
      source,
      -1,
      value.map((item) => readData(item, source)),
    );
  }
  if (typeof value === 'object' && value !== null) {
    const entries = new Map<string, ConfigNode>();
    for (const [key, entry] of Object.entries(value))
      if (key !== '__proto__') entries.set(key, readData(entry, source));
    return mapNode(source, -1, entries);
  }
  const scalar = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
  return scalarNode(source, -1, scalar);
}
