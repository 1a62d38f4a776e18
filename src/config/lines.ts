import type { Place } from '../base/problem.ts';
import type { Sources } from './document.ts';
import { formatPath, type KeyPath } from './key-path.ts';

/** Turns offsets into lines and columns; a file pays for its index when the first question about it comes. */
export class Lines {
  private readonly sources: Sources;
  private readonly starts = new Map<string, number[]>();

  constructor(sources: Sources) {
    this.sources = sources;
  }

  /** Line 0 stands for "the file as a whole": a file without text, or a value without a line. */
  place(file: string, offset: number, path: KeyPath = []): Place {
    const text = this.sources.get(file);
    const at =
      offset < 0 || text === undefined ? { line: 0, column: 0 } : positionIn(this.startsOf(file, text), offset);
    return { file, ...at, path: formatPath(path) };
  }

  /** The text of a 1-based line, or null where there is none. */
  text(file: string, line: number): string | null {
    const text = this.sources.get(file);
    if (text === undefined || line < 1) return null;
    const starts = this.startsOf(file, text);
    const start = starts[line - 1];
    if (start === undefined) return null;
    return text.slice(start, starts[line] ?? text.length).replace(/\r?\n$/, '');
  }

  private startsOf(file: string, text: string): number[] {
    let starts = this.starts.get(file);
    if (starts === undefined) {
      starts = [0];
      for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
      this.starts.set(file, starts);
    }
    return starts;
  }
}

/** 1-based line and column, the column in UTF-16 units as editors count them. */
function positionIn(starts: number[], offset: number): { line: number; column: number } {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((starts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
}
