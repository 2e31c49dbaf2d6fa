/**
 * Draws rows as `cfsctl` does: a header, one line a row, and lines between. A cell is as wide as it has characters.
 * Source: composefs-rs 0.9.4, recorded listings.
 */
export function renderGrid(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const widths = header.map((name, column) =>
    Math.max(...[header, ...rows].map((row) => widthOf(row[column] ?? name))),
  );
  const rule = (left: string, fill: string, mid: string, right: string) =>
    `${left}${widths.map((width) => fill.repeat(width + 2)).join(mid)}${right}\n`;
  const line = (row: readonly string[]) =>
    `│${row.map((cell, column) => ` ${cell}${' '.repeat((widths[column] as number) - widthOf(cell))} `).join('┆')}│\n`;
  return (
    rule('┌', '─', '┬', '┐') +
    line(header) +
    rule('╞', '═', '╪', '╡') +
    rows.map(line).join(rule('├', '╌', '┼', '┤')) +
    rule('└', '─', '┴', '┘')
  );
}

function widthOf(text: string): number {
  return [...text].length;
}
