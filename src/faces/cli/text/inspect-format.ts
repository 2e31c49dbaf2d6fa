import type { InspectFormatReport } from '#work/verbs';
import type { Text } from './text.ts';

/** The text of `inspect-format`. */
export const text: Text<InspectFormatReport> = (report, { document, note }) => {
  // The text is JSON, too, because the formats have no other common form.
  document(report);
  for (const { code, message } of report.findings) note(`${code}: ${message}`);
};
