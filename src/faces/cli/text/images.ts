import type { ImagesReport } from '#work/verbs';
import { formatDigest, formatSize } from '../units.ts';
import type { Text } from './text.ts';

/** The text of `images`. */
export const text: Text<ImagesReport> = async ({ images, partial }, speaker) => {
  if (images.length + partial.length === 0) {
    speaker.note('No images yet; bring one with: onecopy pull oci:DIR[:TAG] NAME');
    return;
  }
  const short = (id: string | null) => formatDigest(id ?? '-', speaker.noTrunc);
  await speaker.table(
    ['NAME', 'KIND', 'ID', 'IMAGE', 'PLATFORM', 'LAYERS', 'DOWNLOAD'],
    [
      ...images.map((row) => [
        row.kind === 'erofs' ? `refs/${row.name}` : row.name,
        row.kind ?? 'unreadable',
        short(row.manifestDigest ?? row.commit),
        short(row.imageId),
        platformText(row),
        row.kind === 'image' || row.kind === 'artifact' ? `${row.layers.length}` : '-',
        row.kind === 'image' || row.kind === 'artifact' ? formatSize(row.downloadSizeBytes) : '-',
      ]),
      ...partial.map((row) => [
        row.name,
        'partial',
        short(row.commit),
        short(row.imageId),
        pathsText(row.subpaths),
        '-',
        '-',
      ]),
    ],
    ['LAYERS', 'DOWNLOAD'],
  );
  for (const { name, problem } of images) {
    if (problem !== null) speaker.note(`${name}: ${problem.message}`);
  }
};

function platformText({ platform }: ImagesReport['images'][number]): string {
  if (platform === null) return '-';
  const { os, architecture, variant } = platform;
  return [os, architecture, variant].filter((part) => part !== undefined).join('/');
}

/** Which paths of a partial commit are here. */
function pathsText(subpaths: readonly string[] | null): string {
  if (subpaths === null) return 'damaged';
  return subpaths.length === 0 ? 'commit object only' : `only ${subpaths.join(' ')}`;
}
