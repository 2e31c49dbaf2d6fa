import * as v from 'valibot';
import type { ContainersReference } from '#work/containers';
import { exportToContainers, storedName } from '#work/export-containers';
import { openOciImage } from '#work/image';
import type { Repository } from '#work/repository';
import type { ExportRequest } from './export.ts';
import { count, list, text } from './schemas.ts';
import type { VerbContext } from './verb.ts';

/** Keys that apply to containers-storage and OSTree repositories only. */
export const CONTAINERS_KEYS = ['reflink'];

/** Report of an export of an image into containers-storage. */
export const containersReport = v.object({
  dryRun: v.literal(false),
  kind: v.literal('containers-storage'),
  /** Graph root. */
  path: text,
  name: text,
  imageId: text,
  manifestDigest: text,
  layers: list(v.object({ id: text, diffId: text, method: v.picklist(['written', 'present']) })),
  counts: v.object({
    files: count,
    directories: count,
    links: count,
    reflinkedFiles: count,
    reflinkedBytes: count,
    copiedFiles: count,
    copiedBytes: count,
    /** Devices and attributes that this user may not make. */
    leftOut: count,
  }),
});

/** What `writeContainers` would do. @throws UsageError for a name that cannot be */
export function planContainers(
  repository: Repository,
  { name, target }: ExportRequest,
  { place, image }: { readonly place: ContainersReference; readonly image: string },
) {
  const { manifestDigest } = openOciImage(repository, image);
  const kind = 'containers-storage' as const;
  return { dryRun: true as const, kind, name, target, manifestDigest, ref: storedName(place.name) };
}

/** Writes the image. @throws as `exportToContainers` */
export async function writeContainers(
  { signal, onProgress }: VerbContext,
  repository: Repository,
  { reflink }: ExportRequest,
  { place, image }: { readonly place: ContainersReference; readonly image: string },
): Promise<v.InferOutput<typeof containersReport>> {
  const done = await exportToContainers(repository, image, place, { signal, onProgress, reflink });
  return { dryRun: false, kind: 'containers-storage', ...done, layers: [...done.layers] };
}
