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
  for (const { path, canShare, isCompared } of filesystems) {
    if (canShare) continue;
    const what = isCompared ? 'its files stay as they are' : 'its files were not compared';
    note(`The filesystem of ${path} cannot share blocks: ${what}`);
  }
  if (filesystems.length > 0 && filesystems.every(({ isCompared }) => !isCompared)) {
    line('Stored twice: not measured; --dry-run measures it');
    printProblems({ left, problems }, note);
    return;
  }
  line(`Stored twice: ${duplicates.files} files (${formatSize(duplicates.sizeBytes)})`);
  if (!isDryRun)
    line(`Shared now:   ${shared.files} files (${formatSize(shared.sizeBytes)} freed)`);
  printProblems({ left, problems }, note);
}

function printProblems(
  { left, problems }: Pick<DedupReport, 'left' | 'problems'>,
  note: Speaker['note'],
): void {
  if (left > 0) note(`${left} files changed meanwhile, or the filesystem did not share them`);
  for (const problem of problems) note(problem);
}
