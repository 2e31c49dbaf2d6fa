import type { DedupReport } from '#work/verbs';
import { formatSize } from '../units.ts';
import type { Speaker, Text } from './text.ts';

/** The text of `dedup`. */
export const text: Text<DedupReport> = (report, tools) => {
  for (const { store, files } of report.stores) tools.line(`${store}: ${files} files`);
  printDedup(report, report.dryRun, tools);
};

/** What was stored twice, and what became of it. */
export function printDedup(
  { filesystems, duplicates, shared, left, problems }: Omit<DedupReport, 'dryRun'>,
  isDryRun: boolean,
  { line, note }: Pick<Speaker, 'line' | 'note'>,
): void {
  for (const { path, canShare } of filesystems) {
    if (!canShare)
      note(`The filesystem of ${path} cannot share blocks: its files stay as they are`);
  }
  line(`Stored twice: ${duplicates.files} files (${formatSize(duplicates.sizeBytes)})`);
  if (!isDryRun)
    line(`Shared now:   ${shared.files} files (${formatSize(shared.sizeBytes)} freed)`);
  if (left > 0) note(`${left} files changed meanwhile, or the filesystem did not share them`);
  for (const problem of problems) note(problem);
}
