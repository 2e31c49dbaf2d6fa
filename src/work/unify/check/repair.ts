import { type ContentDigest, hexOf } from '#base/digest';
import { IntegrityError, isOnecopyError, type OnecopyError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import { ostreeObjectPath } from '#formats/ostree';
import type { Repository } from '#stores/composefs';
import { removeNames } from '#stores/containers';
import { openContainersSource } from '#work/containers';
import { openOciImage } from '#work/image';
import { pullImage } from '#work/pull-image';
import { synthesizeCommit } from '#work/synthesize';
import type { EventListener } from '../journal/events.ts';
import { referenceOfName, refOf, storageNameOf } from '../names.ts';
import { restoreToStorage } from '../restore.ts';
import { bind, type StorageState } from '../state.ts';
import type { SystemImage } from '../survey.ts';
import type { Sysroot } from '../sysroot.ts';
import type { UnifiedFindingKind } from './findings.ts';
import {
  checkUnified,
  type ImageCheck,
  type UnifiedCheck,
  type UnifiedCheckOptions,
} from './fsck.ts';

/** Repair steps of an image: restore its tag, or restore the image in one store from the others. */
export const REPAIR_STEPS = ['composefs', 'tag', 'containers-storage', 'ostree'] as const;
export type RepairStep = (typeof REPAIR_STEPS)[number];
/** Findings of an image in containers-storage that is there and not whole. */
const DAMAGES_OF_STORAGE: readonly UnifiedFindingKind[] = [
  'storage-damaged',
  'storage-contents-damaged',
];

/** A repair of one image in one store. */
export interface PlannedRepair {
  readonly manifestDigest: ContentDigest;
  readonly step: RepairStep;
}

/** Result of one repair. */
export interface DoneRepair extends PlannedRepair {
  /** Why the repair failed; undefined if it succeeded. */
  readonly error: OnecopyError | undefined;
}

/** Result of a repair, with the checks before and after. */
export interface UnifiedRepair {
  readonly before: UnifiedCheck;
  readonly after: UnifiedCheck;
  readonly repairs: readonly DoneRepair[];
}

/**
 * Plans what can be rebuilt: an image missing in one store, from a store that has all of it. Damaged objects of the composefs repository are not
 * rebuilt here, because files that share their extents could have the same damage.
 */
export function planRepairs(check: UnifiedCheck): readonly PlannedRepair[] {
  return check.images.flatMap(({ image: { manifestDigest }, ...one }) =>
    stepsOf(one, check.state).map((step) => ({ manifestDigest, step })),
  );
}

function stepsOf(
  { findings, isPending }: Pick<ImageCheck, 'findings' | 'isPending'>,
  { binding }: StorageState,
): RepairStep[] {
  const has = (...kinds: readonly UnifiedFindingKind[]) =>
    findings.some(({ kind }) => kinds.includes(kind));
  const steps: RepairStep[] = [];
  if (has('composefs-damaged')) return steps;
  if (has('composefs-missing')) steps.push('composefs');
  if (has('tag-missing')) steps.push('tag');
  if (binding === 'unified' && has('storage-missing', 'storage-differs', ...DAMAGES_OF_STORAGE)) {
    steps.push('containers-storage');
  }
  if (!isPending && has('commit-missing', 'commit-damaged')) steps.push('ostree');
  return steps;
}

/**
 * Checks, rebuilds what can be rebuilt by reflink with the original manifest, and checks again. A failed repair leaves its store unchanged, and
 * the other repairs continue.
 * @throws as `checkUnified`
 */
export async function repairUnified(
  sysroot: Sysroot,
  options: UnifiedCheckOptions & { readonly onEvent?: EventListener | undefined } = {},
): Promise<UnifiedRepair> {
  const before = await checkUnified(sysroot, options);
  const repairs: DoneRepair[] = [];
  for (const repair of planRepairs(before)) {
    options.signal?.throwIfAborted();
    const found = before.images.find((one) => one.image.manifestDigest === repair.manifestDigest);
    if (found === undefined) continue;
    try {
      await apply(sysroot, before.state, found, repair.step, options);
      repairs.push({ ...repair, error: undefined });
      options.onEvent?.({
        name: 'repaired',
        priority: 'warning',
        message: `Repaired ${repair.step} of image ${repair.manifestDigest}`,
        fields: { BOOTC_MANIFEST_DIGEST: repair.manifestDigest, STEP: repair.step },
      });
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
      repairs.push({ ...repair, error });
    }
  }
  const after = repairs.length === 0 ? before : await checkUnified(sysroot, options);
  return { before, after, repairs };
}

async function apply(
  sysroot: Sysroot,
  state: StorageState,
  found: ImageCheck,
  step: RepairStep,
  options: OperationOptions,
): Promise<void> {
  const { signal, onProgress } = options;
  const { image } = found;
  using composefs = await sysroot.ensureComposefs({ signal, onProgress });
  switch (step) {
    case 'composefs':
      await restoreToComposefs(sysroot, composefs, image, options);
      return;
    case 'tag':
      composefs.tags.set(image.tag, image.manifestDigest);
      return;
    case 'containers-storage':
      // A layer that is there is kept by an export, so a damaged one must go first.
      if (found.findings.some(({ kind }) => DAMAGES_OF_STORAGE.includes(kind))) {
        await removeFromStorage(sysroot, image, options);
      }
      await restoreToStorage(sysroot, state, composefs, image, { signal, onProgress });
      return;
    case 'ostree':
      await restoreToOstree(sysroot, state, composefs, found, options);
  }
}

/** Removes an image with the layers that only it needs; nothing if a container uses it. */
async function removeFromStorage(
  sysroot: Sysroot,
  { configDigest }: SystemImage,
  { signal }: OperationOptions,
): Promise<void> {
  using storage = await sysroot.openStorage({ signal });
  const root = storage?.roots.find(({ role }) => role === 'primary');
  if (root === undefined || configDigest === undefined) return;
  await removeNames(root, hexOf(configDigest), () => true, { signal });
}

/** Stores the image from containers-storage, if containers-storage has its original manifest. */
async function restoreToComposefs(
  sysroot: Sysroot,
  composefs: Repository,
  { configDigest, manifestDigest, tag }: SystemImage,
  { signal, onProgress }: OperationOptions,
): Promise<void> {
  const id = configDigest === undefined ? '' : hexOf(configDigest);
  using source = await openContainersSource(sysroot.storageReference(`@${id}`), { signal });
  const found = source.resolve().manifest.digest;
  if (found !== manifestDigest) {
    throw new IntegrityError(
      'BLOB_DIGEST_MISMATCH',
      `Cannot restore image ${manifestDigest} from containers-storage: expected its manifest, found ${found}`,
      { expected: manifestDigest, found },
      { hint: 'Pull the image again with: onecopy unified pull' },
    );
  }
  await pullImage(composefs, source, { signal, onProgress, name: tag });
}

/** Makes the commit again, without the damaged objects: the same image results in the same commit. */
async function restoreToOstree(
  sysroot: Sysroot,
  { mode }: StorageState,
  composefs: Repository,
  { image, badFiles }: ImageCheck,
  { signal, onProgress }: OperationOptions,
): Promise<void> {
  using repo = sysroot.ensureOstree();
  for (const bad of badFiles) repo.root.unlink(ostreeObjectPath(bad, 'file'));
  const { manifest } = openOciImage(composefs, `@${image.manifestDigest}`);
  const [name = storageNameOf(undefined, manifest.config.digest)] = image.names;
  const reference = image.references[0] ?? referenceOfName(name);
  await synthesizeCommit(composefs, `@${image.manifestDigest}`, sysroot.ostreePath, {
    signal,
    onProgress,
    refs: [refOf(reference)],
    reflink: mode === 'enabled' ? 'always' : 'auto',
  });
  bind(repo);
}
