import type { InspectFormatReport } from '#work/verbs';
import type { Text } from './text.ts';

/** The text of `inspect-format`. */
export const text: Text<InspectFormatReport> = (report, { document, note }) => {
  // The answer is JSON for people too: there is no other form that all formats share.
  document(report);
  for (const { code, message } of report.findings) note(`${code}: ${message}`);
};
