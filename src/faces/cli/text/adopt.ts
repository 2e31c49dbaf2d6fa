import type { AdoptReport } from '#work/verbs';
import { formatDigest } from '../units.ts';
import { printDedup } from './dedup.ts';
import type { Text } from './text.ts';

/** The text of `adopt`. */
export const text: Text<AdoptReport> = async (report, tools) => {
  const { line, note, table, noTrunc } = tools;
  await table(
    ['NAME', 'ID', 'STATE'],
    report.images.map(({ names, id, state }) => {
      return [names.length > 0 ? names.join(', ') : '-', formatDigest(id, noTrunc), state];
    }),
  );
  for (const { names, id, reason } of report.images) {
    if (reason !== '') note(`${names[0] ?? formatDigest(id, noTrunc)} was left: ${reason}`);
  }
  const { stored, reflinked, copied } = report.objects;
  if (!report.dryRun && report.kind === 'containers-storage') {
    line(`Objects: ${stored} new, ${reflinked} of them by reflink, ${copied} by copying`);
  }
  printDedup(report.dedup, report.dryRun, tools);
};
