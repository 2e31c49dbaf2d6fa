import type { ContentDigest } from '#base/digest';
import { ConflictError, UsageError } from '#base/errors';
import type { OperationOptions } from '#base/flow';
import type { StorageMode } from '#formats/bootc';
import { parseReference } from '#formats/oci';
import { isLive, listDeployments } from './deployments.ts';
import { type UnifiedPullOptions, unifiedPull } from './pull/pull.ts';
import type { Route } from './route.ts';
import { bind, bindingOf, readState, type StorageState, unbind, writeMode } from './state.ts';
import { openStores } from './stores.ts';
import { type SystemImage, surveyImages } from './survey.ts';
import { requireReflink, type Sysroot } from './sysroot.ts';

/** What to set: a mode, or commits from composefs without images in containers-storage. */
export const ENABLE_MODES = ['enabled', 'enabled-with-copy', 'bound-only', 'disabled'] as const;
export type EnableMode = (typeof ENABLE_MODES)[number];

/** Result of setting the mode. */
export interface EnableReport {
  readonly before: StorageState;
  readonly after: StorageState;
  /** Images of deployments that were pulled into the stores. */
  readonly filled: readonly {
    readonly imageReference: string;
    readonly manifestDigest: ContentDigest;
  }[];
  /** Commits that run or will run and are not made from composefs; the next pull of their image replaces them. */
  readonly pending: readonly string[];
}

/**
 * Sets the mode of a sysroot. For `enabled` and `enabled-with-copy`, first pulls the images of deployments that run or will run into
 * containers-storage and the composefs repository. The mode is written last, so a failure leaves the mode unchanged.
 * @throws UnsupportedError UNIFIED_REFLINK_MISSING before anything is written, for `enabled`; ConflictError UNIFIED_SOURCE_UNKNOWN for a
 *   deployment whose image is in no store and has no reference; UsageError for `bound-only` without OSTree; as `unifiedPull`
 */
export async function enableUnified(
  sysroot: Sysroot,
  mode: EnableMode,
  options: UnifiedPullOptions = {},
): Promise<EnableReport> {
  const before = readState(sysroot);
  requirePossible(sysroot, mode);
  const filled: { imageReference: string; manifestDigest: ContentDigest }[] = [];
  if (mode === 'enabled' || mode === 'enabled-with-copy') {
    for (const image of await liveImages(sysroot, options)) {
      if (!isLacking(image)) continue;
      const pulled = await unifiedPull(sysroot, sourceOf(image), {
        ...options,
        target: nameOf(image),
        route: routeFor(mode),
      });
      filled.push({
        imageReference: pulled.imageReference,
        manifestDigest: pulled.manifestDigest,
      });
    }
    if (before.mode !== mode) {
      await makeComposefs(sysroot, options);
      writeMode(sysroot, mode);
    }
  } else {
    using repo = mode === 'bound-only' ? sysroot.ensureOstree() : sysroot.openOstree();
    if (repo !== undefined) (mode === 'bound-only' ? bind : unbind)(repo);
    if (before.binding === 'unified') writeMode(sysroot, 'disabled');
  }
  const pending = pendingOf(await liveImages(sysroot, options));
  const after = readState(sysroot);
  if (after.binding !== before.binding || after.mode !== before.mode) {
    options.onEvent?.({
      name: 'modeSet',
      priority: 'notice',
      message: `Unified storage of ${sysroot.path} is ${mode}`,
      fields: { BOOTC_STATUS: mode },
    });
  }
  return { before, after, filled, pending };
}

/**
 * Plans `enableUnified`; writes nothing and sends no request.
 * @throws UnsupportedError UNIFIED_REFLINK_MISSING; ConflictError UNIFIED_SOURCE_UNKNOWN; UsageError for `bound-only` without OSTree
 */
export async function planEnable(
  sysroot: Sysroot,
  mode: EnableMode,
  { signal }: OperationOptions = {},
): Promise<EnableReport> {
  const before = readState(sysroot);
  requirePossible(sysroot, mode);
  const live = await liveImages(sysroot, { signal });
  const kept = mode === 'enabled' || mode === 'enabled-with-copy' ? mode : undefined;
  const filled = (kept !== undefined ? live.filter(isLacking) : []).map((image) => {
    return { imageReference: nameOf(image), manifestDigest: image.manifestDigest };
  });
  const unset = before.mode === undefined ? undefined : ('disabled' as const);
  const next =
    kept !== undefined
      ? { mode: kept, isFlagged: before.isFlagged }
      : { mode: unset, isFlagged: mode === 'bound-only' };
  const after = { ...next, binding: bindingOf(next.mode, next.isFlagged) };
  return { before, after, filled, pending: pendingOf(live) };
}

/** @throws UnsupportedError UNIFIED_REFLINK_MISSING; UsageError */
function requirePossible(sysroot: Sysroot, mode: EnableMode): void {
  if (mode === 'enabled') requireReflink(sysroot);
  if (mode !== 'bound-only' || !sysroot.isNative) return;
  throw new UsageError(
    `Cannot set the mode of "${sysroot.path}" to bound-only: the system boots composefs images without OSTree`,
    'Use --mode=disabled to keep no images for podman',
  );
}

/** True for an image that is incomplete in containers-storage or in the composefs repository. */
function isLacking({ composefs, isTagged, storage }: SystemImage): boolean {
  return composefs !== 'present' || !isTagged || storage !== 'present';
}

/** Commits that were not made from composefs. */
function pendingOf(images: readonly SystemImage[]): string[] {
  return images.flatMap(({ commits }) =>
    commits.filter(({ isSynthesized }) => !isSynthesized).map(({ commit }) => commit),
  );
}

/** Images of deployments that run or will run. */
async function liveImages(
  sysroot: Sysroot,
  options: OperationOptions,
): Promise<readonly SystemImage[]> {
  if (!listDeployments(sysroot).some(isLive)) return [];
  using stores = await openStores(sysroot, options);
  return surveyImages(sysroot, stores).filter(({ deployments }) => deployments.some(isLive));
}

/** Containers-storage and the composefs repository only: existing deployments stay unchanged. */
function routeFor(mode: StorageMode): Route {
  const policy = mode === 'enabled' ? 'zero-copy' : 'if-possible';
  return { path: 'native', policy, isInStorage: true, mode: undefined };
}

/** The same image in its registry by digest, whatever its tag names now; or the reference of the deployment. */
function sourceOf(image: SystemImage): string {
  const name = nameOf(image);
  const reference = parseReference(name);
  if (reference.transport !== 'docker') return name;
  return `docker://${reference.registry}/${reference.repository}@${image.manifestDigest}`;
}

function nameOf({ deployments, manifestDigest }: SystemImage): string {
  const name = deployments.find(
    ({ imageReference }) => imageReference !== undefined,
  )?.imageReference;
  if (name !== undefined) return name;
  throw new ConflictError(
    'UNIFIED_SOURCE_UNKNOWN',
    `Cannot bring image ${manifestDigest} into the stores: its deployment does not say where it came from`,
    { manifestDigest },
    { hint: 'Pull the image first, with: onecopy unified pull REFERENCE' },
  );
}

/** Creates the composefs repository, whose directory contains the mode file. */
async function makeComposefs(sysroot: Sysroot, options: OperationOptions): Promise<void> {
  using _repository = await sysroot.ensureComposefs(options);
}
