import type { PullReport } from '#work/verbs';
import { formatDigest, formatSize } from '../units.ts';
import { countOf } from './checkout.ts';
import { text as commitText } from './ostree-pull.ts';
import type { Speaker, Text } from './text.ts';
import { printTrust } from './trust.ts';

/** The text of `pull`. */
export const text: Text<PullReport> = (report, speaker, request) => {
  if (report.kind === 'ostree') return commitText(report, speaker, request);
  const { line } = speaker;
  if (report.kind === 'index') return printIndex(report, speaker);
  if (report.dryRun) {
    printPlan(report, line);
    return;
  }
  if (report.downloadOnly) {
    line(`Downloaded ${report.kind} ${report.manifestDigest}`);
    line(`  layers:   ${report.layers.length}`);
    if (report.traffic !== null) line(`  network:  ${trafficText(report.traffic)}`);
    return;
  }
  const { objects, bytes, layers, ms } = report;
  const present = layers.filter(({ status }) => status !== 'imported').length;
  line(`Pulled ${report.name ?? report.manifestDigest}`);
  line(`  manifest: ${report.manifestDigest}`);
  printReplaced(report, line);
  printTrust(report.trust, line);
  for (const { digest, artifactType } of report.referrers ?? []) {
    line(`  referrer: ${formatDigest(digest, speaker.noTrunc)}  ${artifactType ?? 'unknown type'}`);
  }
  if (report.imageId !== null) line(`  image:    ${report.imageId}`);
  line(`  layers:   ${layers.length}, ${present} of them already stored`);
  line(
    `  files:    ${objects.stored} new (${formatSize(bytes.stored)}), ${objects.reused} already stored, ` +
      `${formatSize(bytes.inlined)} of small files and headers`,
  );
  if (report.traffic !== null) line(`  network:  ${trafficText(report.traffic)}`);
  if (bytes.reflinked > 0) {
    const copied = formatSize(bytes.stored - bytes.reflinked);
    line(
      `  shared:   ${objects.reflinked} (${formatSize(bytes.reflinked)}) by reflink, ${copied} copied`,
    );
  }
  line(`  time:     ${(ms.total / 1000).toFixed(2)} s`);
  printDifferences(report.differences, speaker);
};

type Planned = Extract<PullReport, { dryRun: true; kind: 'image' | 'artifact' }>;

function printPlan(report: Planned, line: Speaker['line']): void {
  if (report.wouldCreate) line('Would create the repository');
  line(`Would pull ${report.kind} ${report.manifestDigest}`);
  printReplaced(report, line);
  for (const { diffId, digest, sizeBytes, route, reason } of report.layers) {
    const what = `${formatDigest(diffId ?? digest)}  ${formatSize(sizeBytes)}`;
    line(`  layer ${what}  ${route}: ${reason}`);
  }
  const [wanted, present] = [report.wantedBytes, report.presentBytes].map(formatSize);
  line(`  to read: ${wanted}, already stored: ${present}`);
  if (report.requests > 0) {
    const fetched = formatSize(report.fetchBytes);
    line(`  to fetch: ${fetched} in ${countOf(report.requests, 'request')}`);
  }
  const { peakBytes, isGuess, availableBytes } = report.disk;
  const free = availableBytes === null ? '' : `, free: ${formatSize(availableBytes)}`;
  const need = isGuess ? `about ${formatSize(peakBytes)}` : `${formatSize(peakBytes)} at most`;
  line(`  disk:     ${need}${free}`);
  if (report.isOverBudget) line('  This is more than --max-bytes allows');
}

function printReplaced(
  { replaced }: { readonly replaced: string | null },
  line: Speaker['line'],
): void {
  if (replaced !== null) line(`  replaced: ${replaced}, which had this name`);
}

/** A pull of all platforms. */
function printIndex(
  report: Extract<PullReport, { kind: 'index' }>,
  { line, noTrunc }: Speaker,
): void {
  if (report.dryRun && report.wouldCreate) line('Would create the repository');
  if (report.dryRun) line(`Would pull index ${report.indexDigest}`);
  else line(report.downloadOnly ? 'Downloaded' : `Pulled ${report.name}`);
  if (!report.dryRun) line(`  index:    ${report.indexDigest}`);
  if (report.dryRun || !report.downloadOnly) printReplaced(report, line);
  printTrust(report.trust, line);
  for (const one of report.images) {
    const what = one.platform ?? 'attestation';
    const id = formatDigest(one.manifestDigest, noTrunc);
    const layers = countOf(one.layers, 'layer');
    const here =
      'present' in one
        ? `${one.present} of them already stored`
        : `${formatSize(one.wantedBytes)} to read`;
    line(`  ${what}  ${id}  ${layers}, ${here}`);
  }
  if (report.dryRun) {
    line(`  to read: ${formatSize(report.wantedBytes)}`);
    if (report.fetchBytes > 0) line(`  to fetch: ${formatSize(report.fetchBytes)}`);
    if (report.isOverBudget) line('  This is more than --max-bytes allows');
    return;
  }
  if (report.downloadOnly) {
    line(`  network:  ${formatSize(report.bytes.fetched)}`);
    return;
  }
  for (const { digest, artifactType } of report.referrers) {
    line(`  referrer: ${formatDigest(digest, noTrunc)}  ${artifactType ?? 'unknown type'}`);
  }
  const { fetched, stored } = report.bytes;
  line(`  files:    ${formatSize(stored)} new, ${formatSize(fetched)} fetched`);
}

type Pulled = Extract<
  PullReport,
  { dryRun: false; downloadOnly: false; kind: 'image' | 'artifact' }
>;

function trafficText({ requests, bodyBytes, skippedBytes }: NonNullable<Pulled['traffic']>) {
  const wasted = skippedBytes > 0 ? `, of which ${formatSize(skippedBytes)} were of no use` : '';
  return `${countOf(requests, 'request')}, ${formatSize(bodyBytes + skippedBytes)}${wasted}`;
}

const DIFFERENCE_TEXTS: Readonly<Record<string, string>> = {
  'size-without-data': 'has a size although its type has no data; cfsctl skips that many bytes',
  prefix: 'has a ustar prefix field that cfsctl ignores',
  'old-directory': 'is a directory because its name ends in a slash; cfsctl reads it as a file',
  'own-whiteout':
    'hides only entries of lower layers; cfsctl also removes entries of the same layer',
};

/** Prints a note that cfsctl would build a different image, and the paths that it reads differently. */
function printDifferences(differences: Pulled['differences'], { note }: Speaker): void {
  if (differences === null || differences.count === 0) return;
  const { count, named } = differences;
  note(
    `note: cfsctl reads ${count} ${count === 1 ? 'entry' : 'entries'} of this image differently and may compute another id. To get the id of cfsctl, use --compat cfsctl`,
  );
  for (const { difference, path, layer } of named) {
    note(`  ${path} ${DIFFERENCE_TEXTS[difference] ?? difference} (layer ${formatDigest(layer)})`);
  }
  if (count > named.length) note(`  and ${count - named.length} more`);
}
