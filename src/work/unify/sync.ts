import type { ContentDigest } from '#base/digest';
import { isOnecopyError, type OnecopyError } from '#base/errors';
import type { Repository } from '#stores/composefs';
import { type RestoredImage, type RestoreOptions, restoreToStorage } from './restore.ts';
import { type Binding, readState } from './state.ts';
import { openStores } from './stores.ts';
import { surveyImages } from './survey.ts';
import type { Sysroot } from './sysroot.ts';

/** What a sync did. */
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
 * Restores the images of the system that containers-storage has lost, see `restoreToStorage`. On a host whose images are not kept there is
 * nothing to do, and nothing is created. What cannot be restored is in the report.
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
