import type { FsckReport, OciCheckReport, OciFinding } from '#work/check';
import { type FsckDocument, fsckDocument, renderFsckText } from '../repository/fsck-report.ts';

/** A finding as one line: `fsck: <kind>: <tag>: <detail>`. */
export function renderOciFinding(finding: OciFinding): string {
  return ['fsck', finding.kind, finding.image, detailOf(finding)]
    .filter((part) => part !== '')
    .join(': ');
}

/** Both reports as the lines that `cfsctl oci fsck` prints. Source: oci-and-cli section 1.6. */
export function renderOciFsckText(repository: FsckReport, images: OciCheckReport): string {
  const { imagesChecked, imagesCorrupted, findings } = images;
  const lines = [`oci images: ${imagesChecked - imagesCorrupted}/${imagesChecked} ok`];
  if (findings.length > 0) lines.push(`oci errors: ${findings.length}`);
  for (const finding of findings) lines.push(`  - ${renderOciFinding(finding)}`);
  return `${renderFsckText(repository)}${lines.join('\n')}\n`;
}

/** Both reports with the keys and key order of `cfsctl oci fsck --json`. */
export interface OciFsckDocument {
  readonly ok: boolean;
  readonly images_checked: number;
  readonly images_corrupted: number;
  readonly errors: readonly string[];
  readonly repo: FsckDocument;
}

/** The JSON document that `cfsctl oci fsck --json` prints. */
export function ociFsckDocument(repository: FsckReport, images: OciCheckReport): OciFsckDocument {
  return {
    ok: repository.ok && images.ok,
    images_checked: images.imagesChecked,
    images_corrupted: images.imagesCorrupted,
    errors: images.findings.map(renderOciFinding),
    repo: fsckDocument(repository),
  };
}

/** Where the original says only what it tried to do. */
function detailOf({ kind, detail }: OciFinding): string {
  const [, id] = kind === 'seal-image-missing' ? (/^([0-9a-f]+):/.exec(detail) ?? []) : [];
  return id === undefined ? detail : `${id}: Opening image '${id}'`;
}
