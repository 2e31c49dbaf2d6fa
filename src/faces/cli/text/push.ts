import type { PushReport } from '#work/verbs';
import { formatDigest, formatSize } from '../units.ts';
import type { Text } from './text.ts';

/** The text of `push`. */
export const text: Text<PushReport> = (report, { line, note, noTrunc }) => {
  const { target, manifestDigest } = report;
  if (report.dryRun) {
    line(`Would push ${manifestDigest} to ${target}`);
    for (const { digest, sizeBytes, kept } of report.layers) {
      const how = kept ? 'kept' : 'in the registry, or compressed again';
      line(`  layer ${formatDigest(digest, noTrunc)}  ${formatSize(sizeBytes)}  ${how}`);
    }
    return;
  }
  line(`Pushed ${report.name} to ${target}`);
  line(`  manifest: ${manifestDigest}`);
  for (const { digest, sizeBytes, method } of report.layers) {
    line(`  layer ${formatDigest(digest, noTrunc)}  ${formatSize(sizeBytes)}  ${method}`);
  }
  for (const digest of report.referrers) {
    line(`  referrer ${formatDigest(digest, noTrunc)}`);
  }
  line(`  sent:     ${formatSize(report.sentBytes)}`);
  if (report.identical) return;
  note(
    `note: layers were compressed again, so the digest of the manifest changed (before: ${report.originalManifestDigest})`,
  );
};
