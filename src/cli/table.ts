/** A store may have been written to by others: nothing in it gets to command the terminal. */
const CONTROL = /\p{Cc}/gu;

/** Columns as wide as their widest cell; numbers to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const printable = rows.map((row) => row.map((cell) => cell.replace(CONTROL, '\uFFFD')));
  const widths = head.map((title, column) =>
    Math.max(title.length, ...printable.map((row) => (row[column] ?? '').length)),
  );
  const numeric = head.map(
    (_, column) => printable.length > 0 && printable.every((row) => /^[\d.<]/.test(row[column] ?? '')),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (numeric[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  return [head, ...printable].map(line).join('\n');
}
