import { plainLine } from '#base/bytes';

/** Blanks between two columns. */
const GAP = '  ';
const ASCII = /^[\x20-\x7e]*$/;

/**
 * Lines of a table: its head and its rows, each column as wide as its widest cell. Time and memory are in proportion to the rows.
 * @param right names of the columns whose cells end below each other
 */
export async function formatTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly string[],
): Promise<readonly string[]> {
  const cells = [head, ...rows].map((row) => row.map(plainLine));
  const isPlain = cells.every((row) => row.every((cell) => ASCII.test(cell)));
  const widthOf = isPlain ? (cell: string) => cell.length : (await import('string-width')).default;
  const widths = head.map((_, column) =>
    cells.reduce((widest, row) => Math.max(widest, widthOf(row[column] ?? '')), 0),
  );
  return cells.map((row) =>
    row
      .map((cell, column) => {
        const blanks = ' '.repeat((widths[column] ?? 0) - widthOf(cell));
        return right.includes(head[column] ?? '') ? blanks + cell : cell + blanks;
      })
      .join(GAP)
      .trimEnd(),
  );
}
