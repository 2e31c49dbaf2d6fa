import type { HistoryReport } from '#work/verbs';
import { formatDigest, formatSize } from '../units.ts';
import { printCommit } from './commit.ts';
import type { Text } from './text.ts';

/** The text of `history`. */
export const text: Text<HistoryReport> = async (report, speaker) => {
  if (report.kind === 'commit') {
    for (const commit of report.commits) printCommit(commit, speaker.line);
    if (report.missing !== null) speaker.line('<< History beyond this commit not fetched >>');
    return;
  }
  await speaker.table(
    ['CREATED', 'LAYER', 'DOWNLOAD', 'BY'],
    report.history.map((step) => [
      step.created ?? '-',
      step.diffId === null ? '-' : formatDigest(step.diffId, speaker.noTrunc),
      formatSize(step.sizeBytes),
      shorten(step.createdBy ?? step.comment ?? '-', speaker.noTrunc),
    ]),
    ['DOWNLOAD'],
  );
};

const COMMAND_WIDTH = 60;

function shorten(text: string, noTrunc: boolean): string {
  const oneLine = text.replace(/\s+/g, ' ');
  return noTrunc || oneLine.length <= COMMAND_WIDTH
    ? oneLine
    : `${oneLine.slice(0, COMMAND_WIDTH - 1)}…`;
}
