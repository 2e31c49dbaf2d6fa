import type { CopyReport } from '#work/verbs';
import { formatDigest, formatSize } from '../units.ts';
import type { Text } from './text.ts';
import { printTrust } from './trust.ts';

/** The text of `copy`. */
export const text: Text<CopyReport> = (report, { line, detail, noTrunc }) => {
  const { from, to, manifestDigest, manifests, referrers } = report;
  line(report.dryRun ? `Would copy ${from} to ${to}` : `Copied ${from} to ${to}`);
  line(`  manifest: ${manifestDigest}`);
  printTrust(report.trust, line);
  if (manifests.length > 0) line(`  index of: ${manifests.length} manifests`);
  if (report.dryRun) {
    for (const { digest, sizeBytes } of report.blobs) {
      line(`  blob ${formatDigest(digest, noTrunc)}  ${formatSize(sizeBytes)}`);
    }
  } else {
    for (const { digest, sizeBytes, method } of report.blobs) {
      line(`  blob ${formatDigest(digest, noTrunc)}  ${formatSize(sizeBytes)}  ${method}`);
    }
  }
  for (const { digest, artifactType } of referrers) {
    line(`  referrer ${formatDigest(digest, noTrunc)}  ${artifactType ?? 'unknown type'}`);
  }
  if (report.dryRun) {
    line(`  to copy:  ${formatSize(report.wantedBytes)}`);
    return;
  }
  const { copied, reflinked, mounted, present, fetched } = report.bytes;
  const parts = [
    [copied, 'copied'],
    [reflinked, 'shared by reflink'],
    [mounted, 'mounted'],
    [present, 'present'],
  ] as const;
  const told = parts
    .filter(([size]) => size > 0)
    .map(([size, how]) => `${formatSize(size)} ${how}`);
  line(`  bytes:    ${told.length === 0 ? 'none' : told.join(', ')}`);
  detail(`fetched over the network: ${formatSize(fetched)}`);
};
