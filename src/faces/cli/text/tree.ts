import type { TreeReport } from '#work/verbs';
import { formatPath, formatTarget } from './entry.ts';
import type { Text } from './text.ts';

/** The text of `tree`. */
export const text: Text<TreeReport> = ({ entries }, { line }) => {
  const isOpen: boolean[] = [];
  const isLast = lastOfTheirFolders(entries);
  for (const [at, entry] of entries.entries()) {
    const shown = formatPath(entry, entry.depth === 0);
    if (entry.depth === 0) {
      line(shown);
      continue;
    }
    const bars = isOpen.slice(1, entry.depth).map((open) => (open ? '│   ' : '    '));
    isOpen[entry.depth] = !isLast[at];
    line(`${bars.join('')}${isLast[at] ? '└── ' : '├── '}${shown}${formatTarget(entry)}`);
  }
};

/** For each entry, whether it is the last one of its directory. Computed in one pass from the end. */
function lastOfTheirFolders(entries: TreeReport['entries']): boolean[] {
  const isLast: boolean[] = [];
  let hasNext: boolean[] = [];
  for (let at = entries.length - 1; at >= 0; at -= 1) {
    const depth = entries[at]?.depth ?? 0;
    isLast[at] = hasNext[depth] !== true;
    hasNext = hasNext.slice(0, depth);
    hasNext[depth] = true;
  }
  return isLast;
}
