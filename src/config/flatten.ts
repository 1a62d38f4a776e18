import type { Reference } from './document.ts';
import type { ConfigNode } from './node.ts';
import { type OriginTable, ROW } from './origins.ts';

/** Turns nodes into plain data and one table of places, in the order in which JavaScript walks that data. */
export function flatten(root: ConfigNode, files: string[]): { value: unknown; table: OriginTable } {
  const rows = new Int32Array(root.size * ROW);
  const references = new Map<number, Reference>();
  let next = 0;

  const emit = (node: ConfigNode): unknown => {
    const row = next;
    next += 1;
    const at = row * ROW;
    rows[at] = node.source;
    rows[at + 1] = node.keyAt;
    rows[at + 2] = node.at;
    let value: unknown;
    if (node.kind === 'scalar') {
      value = node.value;
      if (node.reference !== null) references.set(row, node.reference);
    } else if (node.kind === 'list') {
      value = node.items.map(emit);
    } else {
      value = emitMap(node.entries);
    }
    rows[at + 3] = next;
    return value;
  };

  const emitMap = (entries: Map<string, ConfigNode>): Record<string, unknown> => {
    const map: Record<string, unknown> = {};
    // JavaScript walks keys such as `200` first, in the order of numbers; the rows must follow it.
    for (const key of entries.keys()) map[key] = null;
    for (const key of Object.keys(map)) {
      const child = entries.get(key);
      if (child !== undefined) map[key] = emit(child);
    }
    return map;
  };

  return { value: emit(root), table: { rows, files, references } };
}
