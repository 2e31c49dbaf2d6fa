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
  if (report.dryRun) {
    if (report.wouldCreate) line('Would create the repository');
    line(`Would pull ${report.kind} ${report.manifestDigest}`);
    for (const { diffId, digest, sizeBytes, route, reason } of report.layers) {
      const what = `${formatDigest(diffId ?? digest)}  ${formatSize(sizeBytes)}`;
      line(`  layer ${what}  ${route}: ${reason}`);
    }
    const [wanted, present] = [report.wantedBytes, report.presentBytes].map(formatSize);
    line(`  to read: ${wanted}, already here: ${present}`);
    if (report.requests > 0) {
      const fetched = formatSize(report.fetchBytes);
      line(`  to fetch: ${fetched} in ${countOf(report.requests, 'request')}`);
    }
    return;
  }
  const { objects, bytes, layers, ms } = report;
  const present = layers.filter(({ status }) => status !== 'imported').length;
  line(`Pulled ${report.name ?? report.manifestDigest}`);
  line(`  manifest: ${report.manifestDigest}`);
  printTrust(report.trust, line);
  if (report.imageId !== null) line(`  image:    ${report.imageId}`);
  line(`  layers:   ${layers.length}, of which ${present} were already here`);
  line(
    `  files:    ${objects.stored} new (${formatSize(bytes.stored)}), ${objects.reused} already here, ` +
      `${formatSize(bytes.inlined)} of small files and headers`,
  );
  if (report.traffic !== null) line(`  network:  ${trafficText(report.traffic)}`);
  line(`  time:     ${(ms.total / 1000).toFixed(2)} s`);
  printDifferences(report.differences, speaker);
};

type Pulled = Extract<PullReport, { dryRun: false; kind: 'image' | 'artifact' }>;

function trafficText({ requests, bodyBytes, skippedBytes }: NonNullable<Pulled['traffic']>) {
  const wasted = skippedBytes > 0 ? `, of which ${formatSize(skippedBytes)} were of no use` : '';
  return `${countOf(requests, 'request')}, ${formatSize(bodyBytes + skippedBytes)}${wasted}`;
}

const DIFFERENCE_TEXTS: Readonly<Record<string, string>> = {
  'size-without-data':
    'states a size although its type has no data: cfsctl passes over that many bytes',
  prefix: 'has a prefix that cfsctl does not see',
  'old-directory': 'is a directory by the slash at its end: a file for cfsctl',
  'own-whiteout':
    'hides only what lower layers brought: cfsctl removes what its own layer brought, too',
};

/** Says that cfsctl would make another image, and where it reads the layers differently. */
function printDifferences(differences: Pulled['differences'], { note }: Speaker): void {
  if (differences === null || differences.count === 0) return;
  const { count, named } = differences;
  note(
    `note: cfsctl reads ${count} ${count === 1 ? 'entry' : 'entries'} of this image differently, and may give it another id; --compat cfsctl reads as it does`,
  );
  for (const { difference, path, layer } of named) {
    note(`  ${path} ${DIFFERENCE_TEXTS[difference] ?? difference} (layer ${formatDigest(layer)})`);
  }
  if (count > named.length) note(`  and ${count - named.length} more`);
}
