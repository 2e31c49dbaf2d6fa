import type { ContentDigest } from '#base/digest';
import { IntegrityError, isOnecopyError, type OnecopyError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import { ostreeObjectPath } from '#formats/ostree';
import type { Repository } from '#stores/composefs';
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

/** What a repair does for an image: its tag, or the image in one of the stores, from the others. */
export const REPAIR_STEPS = ['composefs', 'tag', 'containers-storage', 'ostree'] as const;
export type RepairStep = (typeof REPAIR_STEPS)[number];

/** A repair of one image in one store. */
export interface PlannedRepair {
  readonly manifestDigest: ContentDigest;
  readonly step: RepairStep;
}

/** What became of it. */
export interface DoneRepair extends PlannedRepair {
  /** Why it failed; undefined for one that was done. */
  readonly error: OnecopyError | undefined;
}

/** What a repair did, and what the check said before and after. */
export interface UnifiedRepair {
  readonly before: UnifiedCheck;
  readonly after: UnifiedCheck;
  readonly repairs: readonly DoneRepair[];
}

/**
 * What can be rebuilt: an image that one store lost from a store that has it as a whole. Damaged objects of the composefs repository are not
 * rebuilt here, because what they share extents with could be damaged in the same way.
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
  if (binding === 'unified' && has('storage-missing', 'storage-damaged', 'storage-differs')) {
    steps.push('containers-storage');
  }
  if (!isPending && has('commit-missing', 'commit-damaged')) steps.push('ostree');
  return steps;
}

/**
 * Checks, rebuilds what can be rebuilt by reflink with the original manifest, and checks again. A repair that fails leaves its store as it
 * was, and the others go on.
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
      await restoreToStorage(sysroot, state, composefs, image, { signal, onProgress });
      return;
    case 'ostree':
      await restoreToOstree(sysroot, state, composefs, found, options);
  }
}

/** Stores the image from containers-storage, if that has the manifest that the image was pulled with. */
async function restoreToComposefs(
  sysroot: Sysroot,
  composefs: Repository,
  { configDigest, manifestDigest, tag }: SystemImage,
  { signal, onProgress }: OperationOptions,
): Promise<void> {
  const id = configDigest?.slice(configDigest.indexOf(':') + 1) ?? '';
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

/** Makes the commit again, without the objects that are damaged: the same image gives the same commit. */
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
