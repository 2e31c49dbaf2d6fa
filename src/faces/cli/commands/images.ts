import { listOciImages } from '#work/image';
import type { Action } from '../context.ts';
import { openSelected } from '../repository.ts';
import { formatDigest, formatSize } from '../units.ts';

type Row = ReturnType<typeof listOciImages>[number];

/** `images`: lists the images by name; one that cannot be read is a row with its problem. */
export const images: Action = async (context) => {
  using repository = await openSelected(context);
  const version = repository.formats.default;
  const rows = listOciImages(repository);
  if (context.out.json) {
    context.out.document({ images: rows.map((row) => imageDocument(row, version)) });
    return 0;
  }
  if (rows.length === 0) {
    context.out.note('No images yet; bring one with: onecopy pull oci:DIR[:TAG] NAME');
    return 0;
  }
  await context.out.table(
    ['NAME', 'MANIFEST', 'IMAGE', 'PLATFORM', 'LAYERS', 'DOWNLOAD'],
    rows.map((row) => [
      row.name,
      formatDigest(row.manifestDigest, context.noTrunc),
      formatDigest(row.image?.imageId(version) ?? '-', context.noTrunc),
      platformText(row),
      `${row.image?.layers.length ?? '-'}`,
      row.image === undefined ? '-' : formatSize(downloadBytes(row)),
    ]),
    ['LAYERS', 'DOWNLOAD'],
  );
  for (const { name, problem } of rows) {
    if (problem !== undefined) context.out.note(`${name}: ${problem.message}`);
  }
  return 0;
};

/** Bytes that the blobs of the layers have on the wire. */
function downloadBytes(row: Row): number {
  return row.image?.manifest.layers.reduce((sum, layer) => sum + layer.sizeBytes, 0) ?? 0;
}

function platformText({ image, problem }: Row): string {
  if (problem !== undefined) return 'unreadable';
  const platform = image?.config?.platform;
  if (platform === undefined) return image?.config === undefined ? 'artifact' : '-';
  const { os, architecture, variant } = platform;
  return [os, architecture, variant].filter((part) => part !== undefined).join('/');
}

function imageDocument(row: Row, version: 0 | 1 | 2) {
  const { name, manifestDigest, image, problem, referrers } = row;
  return {
    name,
    kind: image === undefined ? null : image.config === undefined ? 'artifact' : 'image',
    manifestDigest,
    configDigest: image?.manifest.config.digest ?? null,
    imageId: image?.imageId(version) ?? null,
    platform: image?.config?.platform ?? null,
    created: image?.config?.created ?? null,
    layers: image?.layers.map(({ digest, diffId }) => ({ digest, diffId: diffId ?? null })) ?? [],
    downloadSizeBytes: downloadBytes(row),
    referrers,
    problem: problem === undefined ? null : { code: problem.code, message: problem.message },
  };
}
