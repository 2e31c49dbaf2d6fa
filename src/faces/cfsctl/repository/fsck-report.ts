import type { Finding, FsckReport } from '#work/check';

/** A finding as one line: `fsck: <kind>: <path>: <detail>`. */
export function renderFinding(finding: Finding): string {
  return ['fsck', finding.kind, finding.path, detailOf(finding)]
    .filter((part) => part !== '')
    .join(': ');
}

/** A missing stream is told as the original tells it. */
function detailOf({ kind, detail }: Finding): string {
  return kind === 'missing-named-ref' ? detail.replace(/^(.*) -> (\w+)$/, 'ref $1: $2') : detail;
}

/** The report as the lines that `cfsctl fsck` prints, with a newline at the end. Source: oci-and-cli section 1.6. */
export function renderFsckText(report: FsckReport): string {
  const { findings } = report;
  const good = (checked: number, corrupted: number) => `${checked - corrupted}/${checked} ok`;
  const lines = [
    `meta.json: ${metadataState(report)}`,
    `objects: ${good(report.objectsChecked, report.objectsCorrupted)}`,
    `streams: ${good(report.streamsChecked, report.streamsCorrupted)}`,
    `images: ${good(report.imagesChecked, report.imagesCorrupted)}`,
  ];
  if (report.brokenLinks > 0) lines.push(`broken symlinks: ${report.brokenLinks}`);
  if (report.missingObjects > 0) lines.push(`missing objects: ${report.missingObjects}`);
  lines.push(report.ok ? 'status: ok' : `status: ${findings.length} error(s)`);
  for (const finding of findings) lines.push(`  - ${renderFinding(finding)}`);
  return `${lines.join('\n')}\n`;
}

/** The report with the keys and key order of `cfsctl fsck --json`. */
export interface FsckDocument {
  readonly ok: boolean;
  readonly has_metadata: boolean;
  readonly objects_checked: number;
  readonly objects_corrupted: number;
  readonly streams_checked: number;
  readonly streams_corrupted: number;
  readonly images_checked: number;
  readonly images_corrupted: number;
  readonly broken_links: number;
  readonly missing_objects: number;
  readonly errors: readonly string[];
}

/** The JSON document that `cfsctl fsck --json` prints for a report. */
export function fsckDocument(report: FsckReport): FsckDocument {
  return {
    ok: report.ok,
    has_metadata: report.hasMetadata,
    objects_checked: report.objectsChecked,
    objects_corrupted: report.objectsCorrupted,
    streams_checked: report.streamsChecked,
    streams_corrupted: report.streamsCorrupted,
    images_checked: report.imagesChecked,
    images_corrupted: report.imagesCorrupted,
    broken_links: report.brokenLinks,
    missing_objects: report.missingObjects,
    errors: report.findings.map(renderFinding),
  };
}

function metadataState(report: FsckReport): 'ok' | 'error' | 'absent' {
  if (report.findings.some(({ kind }) => kind.startsWith('metadata-'))) return 'error';
  return report.hasMetadata ? 'ok' : 'absent';
}
