import type { CpReport } from '#work/verbs';
import { countOf, noteLeftOut, sharesText } from './checkout.ts';
import type { Text } from './text.ts';

/** The text of `cp`. */
export const text: Text<CpReport> = (report, { line, note }, request) => {
  if (report.dryRun) {
    line(`Would copy ${request['name']}:${request['path']} (${report.from.kind}) to ${report.to}`);
    return;
  }
  line(`Copied to ${report.path}: ${countOf(report.files, 'file')}, ${sharesText(report)}`);
  noteLeftOut(report, note);
};
