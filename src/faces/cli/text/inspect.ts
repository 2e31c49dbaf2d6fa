import type { InspectReport } from '#work/verbs';
import { formatSize } from '../units.ts';
import { dateText } from './commit.ts';
import type { Speaker, Text } from './text.ts';
import { printTrust } from './trust.ts';

/** The text of `inspect`. */
export const text: Text<InspectReport> = (report, { line }, request) => {
  if (report.kind === 'commit') printCommitObject(report, line, request['metadata'] === true);
  else if (report.kind === 'erofs') {
    line(`Name:      ${report.name}`);
    line(`Image:     ${report.imageId}`);
    line(`Size:      ${formatSize(report.sizeBytes)}`);
    for (const name of report.names) line(`Named:     refs/${name}`);
  } else if (report.kind === 'index') printIndex(report, line);
  else printImage(report, line);
};

type CommitInspection = Extract<InspectReport, { kind: 'commit' }>;
type ImageInspection = Extract<InspectReport, { kind: 'image' | 'artifact' }>;

function printCommitObject(
  report: CommitInspection,
  line: Speaker['line'],
  isMetadata: boolean,
): void {
  if (isMetadata) {
    for (const one of report.metadataLines) line(one);
    return;
  }
  line(`commit  ${report.commit}`);
  if (report.parent !== null) line(`parent  ${report.parent}`);
  line(`date    ${dateText(report)} UTC`);
  line(`tree    ${report.rootTree}`);
  line(`dirmeta ${report.rootMeta}`);
  if (report.subpaths !== null) {
    const only = report.subpaths.length === 0 ? 'commit object only' : report.subpaths.join(' ');
    line(`only    ${only}`);
  }
  for (const text of [report.subject, report.body]) {
    if (text !== '') for (const one of ['', ...text.split('\n')]) line(one);
  }
}

function printIndex(
  report: Extract<InspectReport, { kind: 'index' }>,
  line: Speaker['line'],
): void {
  line(`Name:      ${report.name}`);
  line(`Index:     ${report.indexDigest}`);
  for (const { digest, kind, platform, isAttestation } of report.manifests) {
    const what = isAttestation
      ? 'attestation'
      : kind === 'index'
        ? 'index'
        : (platform ?? 'unknown');
    line(`Manifest:  ${digest}  ${what}`);
  }
}

/** The keys of an image config that are printed. */
interface ShownConfig {
  readonly os?: string;
  readonly architecture?: string;
  readonly created?: string;
  readonly config?: { readonly Labels?: Readonly<Record<string, string>> | null } | null;
}

function printImage(report: ImageInspection, line: Speaker['line']): void {
  const config = (report.kind === 'image' ? report.config : {}) as ShownConfig;
  line(`Name:      ${report.name}`);
  line(`Manifest:  ${report.manifestDigest}`);
  line(`Config:    ${report.configDigest}`);
  for (const [slot, id] of Object.entries(report.imageIds)) line(`Image:     ${id} (${slot})`);
  if (report.reading !== null) {
    const how =
      report.reading === 'cfsctl' ? 'same as cfsctl' : 'by the specifications, cfsctl differs';
    line(`Reading:   ${how}`);
  }
  if (config.os !== undefined) line(`Platform:  ${config.os}/${config.architecture}`);
  if (config.created !== undefined) line(`Created:   ${config.created}`);
  for (const [index, { digest, diffId, sizeBytes }] of report.layers.entries()) {
    line(`Layer ${index}:   ${diffId ?? digest}`);
    line(`           blob ${digest}, ${formatSize(sizeBytes ?? 0)}`);
  }
  printTrust(report.trust, (text) => line(text.replace('  signed:   ', 'Signed:    ')));
  for (const [key, value] of Object.entries(config.config?.Labels ?? {})) {
    line(`Label:     ${key}=${value}`);
  }
}
