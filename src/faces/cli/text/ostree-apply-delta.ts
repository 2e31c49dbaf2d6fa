import type { OstreeApplyDeltaReport } from '#work/verbs';
import { formatSize } from '../units.ts';
import { countOf } from './checkout.ts';
import type { Text } from './text.ts';

/** The text of `ostree apply-delta`. */
export const text: Text<OstreeApplyDeltaReport> = (report, { line }) => {
  if (report.dryRun) {
    line(
      report.isPresent
        ? `Commit ${report.commit} is already stored`
        : `Would create commit ${report.commit} from ${report.from ?? 'nothing'}`,
    );
    line(
      `  objects: ${report.metadata} metadata + ${countOf(report.files, 'file')} in ${countOf(report.parts, 'part')}, ` +
        `${formatSize(report.partBytes)}, ${formatSize(report.unpackedBytes)} unpacked`,
    );
    if (report.missing.length > 0) {
      line(`  missing: ${countOf(report.missing.length, 'object')}; the delta cannot be applied`);
    }
    for (const key of report.signedBy) line(`  signed:  ${key}`);
    return;
  }
  line(`commit  ${report.commit}`);
  line(`stream  ${report.streamId}`);
  line(`image   ${report.imageId}`);
  for (const key of report.signedBy) line(`signed  ${key}`);
  line(`objects ${report.metadata} metadata + ${countOf(report.files, 'file')} applied`);
};
