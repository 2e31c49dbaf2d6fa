/**
 * Sets a boolean of a key file, and keeps every other byte. A missing group is appended.
 * @returns undefined if the file says so already
 */
export function withBoolean(
  text: string,
  group: string,
  key: string,
  value: boolean,
): string | undefined {
  const lines = text.split('\n');
  const line = `${key}=${value}`;
  let start: number | undefined;
  for (const [at, raw] of lines.entries()) {
    const trimmed = raw.trim();
    if (trimmed.startsWith('[')) start = trimmed === `[${group}]` ? at : undefined;
    if (start === undefined || !isKey(trimmed, key)) continue;
    if (trimmed.replaceAll(/\s*=\s*/g, '=') === line) return undefined;
    return [...lines.slice(0, at), line, ...lines.slice(at + 1)].join('\n');
  }
  const header = lines.findIndex((one) => one.trim() === `[${group}]`);
  if (header >= 0)
    return [...lines.slice(0, header + 1), line, ...lines.slice(header + 1)].join('\n');
  const gap = text === '' || text.endsWith('\n\n') ? '' : text.endsWith('\n') ? '\n' : '\n\n';
  return `${text}${gap}[${group}]\n${line}\n`;
}

function isKey(line: string, key: string): boolean {
  return line.startsWith(key) && /^\s*=/.test(line.slice(key.length));
}
