import {
  exportDirectory,
  exportImage,
  type LocalReference,
  type OstreeReference,
  parseReference,
} from '#work/export';
import { openOciImage, resolveImageId } from '#work/image';
import { refuseOptions } from '../applies.ts';
import { type Action, textOption } from '../context.ts';
import {
  COMMIT_TARGET_OPTIONS as COMMIT_OPTIONS,
  FILE_TARGET_OPTIONS as FILE_OPTIONS,
} from '../export-options.ts';
import { UsageError } from '../output.ts';
import { openSelected } from '../repository.ts';
import { formatDigest, formatSize } from '../units.ts';
import { exportToOstree } from './export-ostree.ts';

const COMPRESSIONS = ['none', 'gzip', 'zstd'] as const;

/** `export`: writes an image into a layout, an archive, or a plain directory. */
export const exportVerb: Action = async (context, [name = '', target = ''], options) => {
  using repository = await openSelected(context);
  const reference = targetOf(target);
  if (typeof reference !== 'string' && 'location' in reference) {
    refuseOptions(FILE_OPTIONS, options, `export to ${target}`);
    return await exportToOstree(context, repository, name, reference, options);
  }
  refuseOptions(COMMIT_OPTIONS, options, `export to ${target}`);
  const compression = compressionOf(textOption(options, 'compression'));
  if (context.dryRun) {
    const isFolder = typeof reference === 'string';
    const found = isFolder
      ? { imageId: resolveImageId(repository, name) }
      : { manifestDigest: openOciImage(repository, name).manifestDigest };
    const kind = isFolder ? 'directory' : 'image';
    if (context.out.json) context.out.document({ dryRun: true, kind, name, target, ...found });
    context.out.line(`Would write ${name} to ${target}`);
    return 0;
  }
  if (typeof reference === 'string') {
    const report = await exportDirectory(repository, name, reference, {
      ...context.operation,
      ...(options['owners'] === false ? { owners: false } : {}),
    });
    if (context.out.json) context.out.document({ dryRun: false, kind: 'directory', ...report });
    context.out.line(`Wrote ${name} to ${report.path}`);
    return 0;
  }
  const report = await exportImage(repository, name, reference, {
    ...context.operation,
    compression,
  });
  if (context.out.json) context.out.document({ dryRun: false, kind: 'image', ...report });
  context.out.line(`Wrote ${name} to ${target}`);
  context.out.line(`  manifest: ${report.manifestDigest}`);
  if (!report.identical) {
    context.out.line('  The layers are packed anew: same diff ids and config, another manifest.');
    context.out.line('  (pull --keep-blobs keeps the blobs, then an export is byte-identical.)');
  }
  for (const { digest, sizeBytes, method } of report.layers) {
    context.out.line(`  layer ${formatDigest(digest)}  ${formatSize(sizeBytes)}  ${method}`);
  }
  return 0;
};

/** A layout, an archive or an OSTree repository, or the path of a plain directory. */
function targetOf(text: string): LocalReference | OstreeReference | string {
  if (!/^[a-z][a-z-]+:/.test(text)) return text;
  const reference = parseReference(text);
  switch (reference.transport) {
    case 'oci':
    case 'oci-archive':
    case 'docker-archive':
    case 'dir':
    case 'ostree-local':
      return reference;
    default:
      throw new UsageError(
        `Cannot export to "${text}": expected oci:, oci-archive:, dir:, ostree-local: or the path of a directory`,
      );
  }
}

function compressionOf(text: string | undefined): (typeof COMPRESSIONS)[number] {
  const found = COMPRESSIONS.find((name) => name === (text ?? 'none'));
  if (found !== undefined) return found;
  throw new UsageError(
    `Cannot read --compression: expected ${COMPRESSIONS.join(', ')}, found "${text}"`,
  );
}
