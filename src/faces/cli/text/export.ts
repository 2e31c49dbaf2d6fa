import type { ExportReport } from '#work/verbs';
import { formatDigest, formatSize } from '../units.ts';
import { noteLeftOut } from './checkout.ts';
import { text as pushText } from './push.ts';
import type { Speaker, Text } from './text.ts';

/** The text of `export`. */
export const text: Text<ExportReport> = (report, speaker, request) => {
  if (report.kind === 'registry') return pushText(report, speaker, request);
  const { line, note } = speaker;
  const name = report.dryRun ? report.name : request['name'];
  if (report.dryRun) line(`Would write ${name} to ${report.target}`);
  else if (report.kind === 'directory') {
    line(`Wrote ${name} to ${report.path}`);
    noteLeftOut(report, note);
  } else if (report.kind === 'ostree') printCommit(report, speaker);
  else if (report.kind === 'containers-storage') printStored(report, speaker);
  else {
    line(`Wrote ${name} to ${request['target']}`);
    line(`  manifest: ${report.manifestDigest}`);
    if (!report.identical) {
      line(
        '  The layers were built again: diff ids and config are the same, the manifest differs.',
      );
      line('  For a byte-identical export, pull the image with --keep-blobs.');
    }
    for (const { digest, sizeBytes, method } of report.layers) {
      line(`  layer ${formatDigest(digest)}  ${formatSize(sizeBytes)}  ${method}`);
    }
  }
};

function printStored(
  report: Extract<ExportReport, { kind: 'containers-storage'; dryRun: false }>,
  { line, note }: Speaker,
): void {
  const { counts, layers } = report;
  const present = layers.filter(({ method }) => method === 'present').length;
  line(`Wrote ${report.name} to ${report.path}`);
  line(`  image:    ${report.imageId}`);
  line(`  manifest: ${report.manifestDigest}`);
  line(`  layers:   ${layers.length}, ${present} of them already stored`);
  line(
    `  files:    ${counts.reflinkedFiles} (${formatSize(counts.reflinkedBytes)}) by reflink, ` +
      `${formatSize(counts.copiedBytes)} copied`,
  );
  if (counts.leftOut > 0) {
    note(
      `note: ${counts.leftOut} devices and attributes were left out: this user may not make them`,
    );
  }
}

function printCommit(
  report: Extract<ExportReport, { kind: 'ostree'; dryRun: false }>,
  { line, detail }: Speaker,
): void {
  line(`commit  ${report.commit}`);
  for (const tagged of report.refs) line(`tagged  ${tagged}`);
  if (!report.isLabelled) line('labels  none: the image has no SELinux policy');
  const { external } = report;
  line(
    `files   ${external.reflinkedFiles} (${formatSize(external.reflinkedBytes)}) by reflink, ` +
      `${formatSize(external.copiedBytes)} copied, ${external.presentFiles} already stored`,
  );
  const files = report.filesWritten + report.filesReflinked;
  detail(
    `${report.metadataWritten} metadata and ${files} files written (${report.filesReflinked} by reflink), ` +
      `${report.objectsPresent} already existed, ${formatSize(report.contentBytes)}`,
  );
}
