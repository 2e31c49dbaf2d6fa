import type { OstreeShowReport } from '#work/verbs';
import { printCommit } from './commit.ts';
import type { Text } from './text.ts';

/** The text of `ostree show`. */
export const text: Text<OstreeShowReport> = (report, { line }) => {
  printCommit(report, line);
};
