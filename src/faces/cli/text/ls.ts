import type { LsReport } from '#work/verbs';
import { formatDevice, formatMode, formatPath, formatTarget } from './entry.ts';
import type { Text } from './text.ts';

/** The text of `ls`. */
export const text: Text<LsReport> = async (
  { entries, commit },
  { line, table },
  { long, recursive },
) => {
  if (commit !== undefined) {
    for (const entry of entries) line(entry.line ?? '');
    return;
  }
  const isWhole = recursive === true;
  if (long !== true) {
    for (const entry of entries) line(formatPath(entry, isWhole));
    return;
  }
  await table(
    ['MODE', 'LINKS', 'UID', 'GID', 'SIZE', 'MODIFIED', 'NAME'],
    entries.map((entry) => [
      formatMode(entry),
      `${entry.linkCount}`,
      `${entry.uid}`,
      `${entry.gid}`,
      entry.kind === 'chr' || entry.kind === 'blk'
        ? formatDevice(entry.rdev)
        : `${entry.sizeBytes}`,
      entry.mtime.replace(/\.\d+Z$/, 'Z'),
      formatPath(entry, isWhole) + formatTarget(entry),
    ]),
    ['LINKS', 'UID', 'GID', 'SIZE'],
  );
};
