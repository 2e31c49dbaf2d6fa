import { type ContentDigest, hexOf } from '#base/digest';
import type { OperationOptions } from '#base/flow';
import { removeNames, type StoreRemoval } from '#stores/containers';
import { type PruneReport, pruneOstree } from '#stores/ostree';
import { collectGarbage } from '#work/check';
import { listDeployments } from './deployments.ts';
import type { EventListener } from './journal/events.ts';
import { type KeptItem, listKept } from './kept.ts';
import { recoveredName, storageNameOf } from './names.ts';
import { openStores, type Stores } from './stores.ts';
import { type SystemImage, surveyImages, tagOf } from './survey.ts';
import type { Sysroot } from './sysroot.ts';

/** What to prune. */
export interface UnifiedPruneOptions extends OperationOptions {
  /** Removes nothing; the report lists what would be removed. */
  readonly isPlan?: boolean | undefined;
  /** Manifest digests, image references or names to keep even if no deployment uses them. */
  readonly keep?: readonly string[] | undefined;
  readonly workers?: number | undefined;
  readonly onEvent?: EventListener | undefined;
}

/** An image that was removed. */
export interface PrunedImage {
  readonly manifestDigest: ContentDigest;
  readonly references: readonly string[];
  readonly refs: readonly string[];
  readonly storage: StoreRemoval | undefined;
}

/** Result of a prune. */
export interface UnifiedPrune {
  readonly removed: readonly PrunedImage[];
  readonly kept: readonly KeptItem[];
  readonly ostree: PruneReport | undefined;
  /** Objects removed from the composefs repository; undefined for a plan, which does not search for them. */
  readonly objects: { readonly removed: number; readonly sizeBytes: number } | undefined;
}

/**
 * Removes images of the system that no deployment needs: their names in containers-storage that belong to the system, their refs and tags, and
 * then what only these reached. The tag is removed last, so that the next prune finds whatever a crash leaves. Tags, names and refs of others
 * are kept, and so are images that deployments are bound to.
 * @throws as opening the stores, `removeNames`, `pruneOstree`, `collectGarbage`
 */
export async function pruneUnified(
  sysroot: Sysroot,
  options: UnifiedPruneOptions = {},
): Promise<UnifiedPrune> {
  const { isPlan = false, keep = [], signal, onProgress, workers } = options;
  const removed: PrunedImage[] = [];
  let kept: KeptItem[];
  let ostree: PruneReport | undefined;
  {
    using stores = await openStores(sysroot, options);
    const deployments = listDeployments(sysroot);
    const images = surveyImages(sysroot, stores, deployments);
    const live = images.filter((image) => isNeeded(image, keep));
    kept = listKept(stores, live, deployments);
    for (const image of images.filter((one) => !live.includes(one))) {
      signal?.throwIfAborted();
      removed.push(await removeImage(stores, image, live, { isPlan, signal, onProgress }));
    }
    const without = new Set(removed.flatMap(({ refs }) => refs));
    const deployed = deployments.flatMap(({ commit }) => commit ?? []);
    if (stores.ostree !== undefined && removed.length > 0) {
      const { ostree: repo } = stores;
      const present = deployed.filter((commit) => repo.has('commit', commit));
      ostree = await pruneOstree(repo, { signal, onProgress, keep: present, without, isPlan });
    }
    if (!isPlan) for (const { manifestDigest } of removed) untag(stores, manifestDigest);
  }
  const objects = isPlan
    ? undefined
    : await collect(sysroot, removed.length > 0, { signal, onProgress, workers });
  if (!isPlan && removed.length > 0) {
    options.onEvent?.({
      name: 'pruned',
      priority: 'notice',
      message: `Removed ${removed.length} images that no deployment of ${sysroot.path} needs`,
      fields: {
        REMOVED: removed.length,
        OBJECTS: (ostree?.objects ?? 0) + (objects?.removed ?? 0),
      },
    });
  }
  return { removed, kept, ostree, objects };
}

function isNeeded(image: SystemImage, keep: readonly string[]): boolean {
  if (image.deployments.length > 0) return true;
  const known = [image.manifestDigest, image.tag, ...image.references, ...image.names];
  return known.some((name) => keep.includes(name));
}

/** Removes the image from containers-storage and the OSTree repository; keeps its tag. */
async function removeImage(
  stores: Stores,
  image: SystemImage,
  live: readonly SystemImage[],
  options: UnifiedPruneOptions,
): Promise<PrunedImage> {
  const { manifestDigest, configDigest, references } = image;
  const isShared = live.some((one) => one.configDigest === configDigest);
  const refs = image.commits.flatMap((commit) => commit.refs);
  let storage: StoreRemoval | undefined;
  const root = stores.storage?.roots.find(({ role }) => role === 'primary');
  if (root !== undefined && configDigest !== undefined && !isShared) {
    const own = new Set([
      recoveredName(configDigest),
      ...references.map((reference) => storageNameOf(reference, configDigest)),
    ]);
    const bound = new Set(
      live.flatMap(({ deployments }) => deployments.flatMap((one) => one.boundImages)),
    );
    const isOwn = (name: string) => own.has(name) && !bound.has(name);
    storage = await removeNames(root, hexOf(configDigest), isOwn, options);
  }
  if (options.isPlan !== true) for (const ref of refs) stores.ostree?.refs.delete(ref);
  return { manifestDigest, references, refs, storage };
}

function untag({ composefs }: Stores, manifestDigest: ContentDigest): void {
  for (const tag of composefs?.tags.list() ?? []) {
    const isOwn = tag.manifestDigest === manifestDigest && tag.name === tagOf(manifestDigest);
    if (isOwn) composefs?.tags.remove(tag.name);
  }
}

/** Collects the garbage of the composefs repository; its lock must be free. */
async function collect(
  sysroot: Sysroot,
  isWorthIt: boolean,
  { signal, onProgress, workers }: UnifiedPruneOptions,
): Promise<{ readonly removed: number; readonly sizeBytes: number }> {
  using repository = isWorthIt ? await sysroot.openComposefs({ signal }) : undefined;
  if (repository === undefined) return { removed: 0, sizeBytes: 0 };
  const { objectsRemoved, objectsBytes } = await collectGarbage(repository, {
    signal,
    onProgress,
    workers,
  });
  return { removed: objectsRemoved, sizeBytes: objectsBytes };
}
