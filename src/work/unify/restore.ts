import type { ContentDigest } from '#base/digest';
import type { OperationOptions } from '#base/flow';
import type { Repository } from '#stores/composefs';
import { exportToContainers } from '#work/export-containers';
import { openOciImage } from '#work/image';
import { storageNameOf } from './names.ts';
import type { StorageState } from './state.ts';
import type { SystemImage } from './survey.ts';
import type { Sysroot } from './sysroot.ts';

/** An image that was restored to containers-storage. */
export interface RestoredImage {
  readonly manifestDigest: ContentDigest;
  /** Its name in containers-storage. */
  readonly name: string;
  readonly reflinkedFiles: number;
  readonly copiedFiles: number;
}

/** Options of restoring. */
export interface RestoreOptions extends OperationOptions {
  /** Restores nothing; the report lists what would be restored. */
  readonly isPlan?: boolean | undefined;
}

/**
 * Restores an image missing in containers-storage from the composefs repository, by reflink, with its original manifest and the names that it had.
 * @throws as `openOciImage`, `exportToContainers`
 */
export async function restoreToStorage(
  sysroot: Sysroot,
  { mode }: StorageState,
  composefs: Repository,
  image: SystemImage,
  { isPlan, ...options }: RestoreOptions,
): Promise<RestoredImage> {
  const { manifestDigest } = image;
  const { manifest } = openOciImage(composefs, `@${manifestDigest}`);
  const name = storageNameOf(image.references[0], manifest.config.digest);
  const done = { manifestDigest, name, reflinkedFiles: 0, copiedFiles: 0 };
  if (isPlan === true) return done;
  sysroot.ensureStorage();
  const reflink = mode === 'enabled' ? 'always' : 'auto';
  for (const one of new Set([name, ...image.names])) {
    const target = sysroot.storageReference(one);
    const { counts } = await exportToContainers(composefs, `@${manifestDigest}`, target, {
      ...options,
      reflink,
    });
    done.reflinkedFiles += counts.reflinkedFiles;
    done.copiedFiles += counts.copiedFiles;
  }
  return done;
}
