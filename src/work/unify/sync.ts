import type { ContentDigest } from '#base/digest';
import { isOnecopyError, type OnecopyError } from '#base/errors';
import type { Repository } from '#stores/composefs';
import { type RestoredImage, type RestoreOptions, restoreToStorage } from './restore.ts';
import { type Binding, readState } from './state.ts';
import { openStores } from './stores.ts';
import { surveyImages } from './survey.ts';
import type { Sysroot } from './sysroot.ts';

/** Result of a sync. */
export interface SyncReport {
  readonly binding: Binding;
  readonly checked: number;
  readonly alreadyPresent: number;
  readonly restored: readonly RestoredImage[];
  readonly failures: readonly {
    readonly manifestDigest: ContentDigest;
    readonly error: OnecopyError;
  }[];
}

/**
 * Restores the images of the system that are missing in containers-storage, see `restoreToStorage`. On a host that does not keep its images in
 * containers-storage this does nothing and creates nothing. Images that cannot be restored are listed in the report.
 * @throws as opening the stores
 */
export async function syncStorage(
  sysroot: Sysroot,
  options: RestoreOptions = {},
): Promise<SyncReport> {
  const state = readState(sysroot);
  const { binding } = state;
  if (binding !== 'unified') {
    return { binding, checked: 0, alreadyPresent: 0, restored: [], failures: [] };
  }
  using stores = await openStores(sysroot, options);
  const images = surveyImages(sysroot, stores).filter(({ isTagged }) => isTagged);
  const restored: RestoredImage[] = [];
  const failures: { manifestDigest: ContentDigest; error: OnecopyError }[] = [];
  for (const image of images.filter(({ storage }) => storage !== 'present')) {
    options.signal?.throwIfAborted();
    try {
      const composefs = stores.composefs as Repository;
      restored.push(await restoreToStorage(sysroot, state, composefs, image, options));
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
      failures.push({ manifestDigest: image.manifestDigest, error });
    }
  }
  const alreadyPresent = images.length - restored.length - failures.length;
  return { binding, checked: images.length, alreadyPresent, restored, failures };
}
