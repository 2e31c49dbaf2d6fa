import type { ObjectId } from '#base/digest';
import {
  applyGc as applyStoreGc,
  collectGarbage as collectStoreGarbage,
  type GcApplyOptions,
  type GcOptions,
  type GcPlan,
  type GcResult,
  planGc as planStoreGc,
  type Repository,
} from '#stores/composefs';
import { resolveImageId } from '#work/image';
import { listMounts, type MountedImage } from '#work/mount';
import { attempt } from './attempt.ts';

/** Whether mounted images may go. */
export interface ForceOption {
  /** Remove what only a mount needs: reading it fails from then on. */
  readonly force?: boolean | undefined;
}

/** What collecting did, or would do, to mounted images. */
export interface MountEffects {
  /** Mounts whose image only they keep; with `force` those that break. */
  readonly heldByMounts: readonly MountedImage[];
}

/** As the store's, but images that are mounted on this host are kept. @throws as the store's */
export async function planGc(
  repository: Repository,
  options: GcOptions & ForceOption = {},
): Promise<GcPlan & MountEffects> {
  const mounted = mountedImages(repository);
  const held = await planStoreGc(repository, { ...options, images: [...mounted.keys()] });
  const heldByMounts = held.held.flatMap((id) => mounted.get(id) ?? []);
  const isSame = options.force !== true || heldByMounts.length === 0;
  return { ...(isSame ? held : await planStoreGc(repository, options)), heldByMounts };
}

/** As `planGc` and doing it, under one lock. @throws as the store's */
export async function collectGarbage(
  repository: Repository,
  options: GcOptions & GcApplyOptions & ForceOption = {},
): Promise<GcResult & MountEffects> {
  const mounted = mountedImages(repository);
  const images = [...mounted.keys()];
  const { heldByMounts } =
    images.length === 0 ? { heldByMounts: [] } : await planGc(repository, options);
  const kept = options.force === true ? [] : images;
  return { ...(await collectStoreGarbage(repository, { ...options, images: kept })), heldByMounts };
}

/** Does what a plan says, but for images that have been mounted since. @throws as the store's */
export async function applyGc(
  repository: Repository,
  plan: GcPlan,
  options: GcApplyOptions & ForceOption = {},
): Promise<GcResult & MountEffects> {
  const mounted = mountedImages(repository);
  const images = options.force === true ? [] : [...mounted.keys()];
  const planned = new Set(plan.objects.map(({ id }) => id));
  const heldByMounts = [...mounted].flatMap(([id, mounts]) => (planned.has(id) ? mounts : []));
  return { ...(await applyStoreGc(repository, plan, { ...options, images })), heldByMounts };
}

/**
 * Images of this repository that are mounted in this mount namespace, by us or by cfsctl. A name that has come to mean another image since
 * cannot be told from one that has not; our own mounts say their id.
 */
function mountedImages(repository: Repository): ReadonlyMap<ObjectId, readonly MountedImage[]> {
  const byId = new Map<ObjectId, MountedImage[]>();
  for (const mount of attempt(listMounts) ?? []) {
    const id = mount.imageId ?? attempt(() => resolveImageId(repository, mount.image));
    if (id === undefined || !repository.objects.has(id)) continue;
    byId.set(id, [...(byId.get(id) ?? []), mount]);
  }
  return byId;
}
