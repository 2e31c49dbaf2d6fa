import type { InitReport } from '#work/verbs';
import type { Text } from './text.ts';

/** The text of `init`. */
export const text: Text<InitReport> = (report, { line }) => {
  if (report.dryRun) {
    const place = report.repository;
    if (!report.exists) line(`Would create ${place}`);
    else line(`${report.resetMetadata ? 'Would reset' : 'Already exists:'} ${place}`);
    return;
  }
  line(`${report.created ? 'Created' : 'Already exists:'} ${report.repository}`);
  line(`  algorithm: ${report.algorithm}`);
  line(`  fs-verity: ${report.insecure ? 'not used' : 'required'}`);
  line(`  EROFS:     version ${report.erofsVersions.join(', then ')}`);
};
