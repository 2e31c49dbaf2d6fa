import type { ObjectId } from '#base/digest';
import { quietly } from '#base/errors';
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

/** Whether mounted images may go. */
export interface ForceOption {
  /** Also remove images that only a mount keeps; reads from the mount then fail. */
  readonly force?: boolean | undefined;
}

/** Effect of garbage collection on mounted images. */
export interface MountEffects {
  /** Mounts whose image is kept only by the mount; with `force`, mounts that break. */
  readonly heldByMounts: readonly MountedImage[];
}

/** As `planGc` of the store, but keeps images that are mounted on this host. @throws as the store */
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

/** Plans and applies under one lock. @throws as the store */
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

/** Applies a plan, except for images that have been mounted since. @throws as the store */
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
 * Images of this repository that onecopy or cfsctl mounted in this mount namespace. If a mount states only a name, and the name now points
 * to another image, the change cannot be detected; mounts of onecopy state the id.
 */
function mountedImages(repository: Repository): ReadonlyMap<ObjectId, readonly MountedImage[]> {
  const byId = new Map<ObjectId, MountedImage[]>();
  for (const mount of quietly(listMounts) ?? []) {
    const id = mount.imageId ?? quietly(() => resolveImageId(repository, mount.image));
    if (id === undefined || !repository.objects.has(id)) continue;
    byId.set(id, [...(byId.get(id) ?? []), mount]);
  }
  return byId;
}
