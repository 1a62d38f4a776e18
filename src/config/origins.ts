import type { Place } from '../base/problem.ts';
import type { Reference, Sources } from './document.ts';
import type { KeyPath } from './key-path.ts';
import { Lines } from './lines.ts';

/** Numbers per row of the table: source, offset of the key, offset of the value, first row after the subtree. */
export const ROW = 4;

/**
 * Where every value of a document came from, as flat data that crosses to another thread for nothing. Rows stand in the
 * order of a walk over the value, so a path is found by walking along with it.
 */
export interface OriginTable {
  rows: Int32Array;
  /** File names as shown; an offset of -1 means that the file has no lines to point at. */
  files: string[];
  references: Map<number, Reference>;
}

export interface Origin {
  place: Place;
  reference: Reference | null;
}

export class Origins {
  readonly table: OriginTable;
  private readonly root: unknown;
  private readonly lines: Lines;
  /** Row of every child, for the containers that somebody asked about. */
  private readonly children = new Map<number, Map<string, number>>();

  constructor(table: OriginTable, root: unknown, sources: Sources) {
    this.table = table;
    this.root = root;
    this.lines = new Lines(sources);
  }

  /** Where the value at a path stands; for a path that leads nowhere, its nearest ancestor. */
  place(path: KeyPath): Place {
    const { row } = this.find(path);
    return this.placeOfRow(row, 2, path);
  }

  /** Where the key at a path stands; for the items of a list, the item. */
  keyPlace(path: KeyPath): Place {
    const { row, depth } = this.find(path);
    const column = depth === path.length && (this.table.rows[row * ROW + 1] ?? -1) >= 0 ? 1 : 2;
    return this.placeOfRow(row, column, path);
  }

  /** The reference that a scalar came from, or null where it stands in the file itself. */
  reference(path: KeyPath): Reference | null {
    const { row } = this.find(path);
    return this.table.references.get(row) ?? null;
  }

  origin(path: KeyPath): Origin {
    return { place: this.place(path), reference: this.reference(path) };
  }

  /** All references, with the paths of their values. */
  *references(): Generator<{ path: KeyPath; reference: Reference }> {
    for (const [row, reference] of this.table.references) yield { path: this.pathOf(row), reference };
  }

  /** Replaces in `text` whatever the values at or below a path got from the environment or a file. */
  redact(text: string, path: KeyPath = []): string {
    const { row } = this.find(path);
    const end = this.table.rows[row * ROW + 3] ?? row + 1;
    let safe = text;
    for (const [at, reference] of this.table.references) {
      if (at < row || at >= end) continue;
      for (const { text: hidden, shown } of reference.hidden) {
        // One or two letters would blot out half of every message and give nothing away.
        if (hidden.length > 2 && safe.includes(hidden)) safe = safe.replaceAll(hidden, () => shown);
      }
    }
    return safe;
  }

  private find(path: KeyPath): { row: number; depth: number } {
    let row = 0;
    let value = this.root;
    let depth = 0;
    for (const key of path) {
      const child = this.childrenOf(row, value).get(String(key));
      if (child === undefined) break;
      row = child;
      value = (value as Record<string, unknown>)[key];
      depth += 1;
    }
    return { row, depth };
  }

  private childrenOf(row: number, value: unknown): Map<string, number> {
    const known = this.children.get(row);
    if (known !== undefined) return known;
    const index = new Map<string, number>();
    if (typeof value === 'object' && value !== null) {
      let child = row + 1;
      for (const key of Object.keys(value)) {
        index.set(key, child);
        child = this.table.rows[child * ROW + 3] ?? child + 1;
      }
    }
    this.children.set(row, index);
    return index;
  }

  private pathOf(target: number): KeyPath {
    const path: (string | number)[] = [];
    let row = 0;
    let value = this.root;
    while (row !== target) {
      let step: string | null = null;
      for (const [key, child] of this.childrenOf(row, value)) {
        if (child > target) break;
        step = key;
      }
      if (step === null) break;
      row = this.childrenOf(row, value).get(step) ?? target;
      path.push(Array.isArray(value) ? Number(step) : step);
      value = (value as Record<string, unknown>)[step];
    }
    return path;
  }

  private placeOfRow(row: number, column: 1 | 2, path: KeyPath): Place {
    const at = row * ROW;
    const file = this.table.files[this.table.rows[at] ?? 0] ?? '';
    const offset = this.table.rows[at + column] ?? -1;
    return this.lines.place(file, offset, path);
  }
}
