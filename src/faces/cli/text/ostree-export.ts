import type { OstreeExportReport } from '#work/verbs';
import { formatSize } from '../units.ts';
import { countOf } from './checkout.ts';
import type { Text } from './text.ts';

/** The text of `ostree export`. */
export const text: Text<OstreeExportReport> = (report, { line, detail }) => {
  if (report.dryRun) {
    line(`Would write ${report.objects} objects of commit ${report.commit} to ${report.path}`);
    return;
  }
  line(`commit  ${report.commit}`);
  for (const ref of report.refs) line(`tagged  ${ref}`);
  const files = report.filesWritten + report.filesReflinked;
  detail(
    `${report.metadataWritten} metadata and ${countOf(files, 'file')} written (${report.filesReflinked} by reflink), ` +
      `${report.objectsPresent} already existed, ${formatSize(report.contentBytes)}`,
  );
};
