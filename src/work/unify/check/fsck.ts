import type { OstreeChecksum } from '#base/digest';
import { isLive, listDeployments } from '../deployments.ts';
import { type Binding, readState, type StorageState } from '../state.ts';
import { openStores, type Stores } from '../stores.ts';
import { type SystemImage, surveyImages } from '../survey.ts';
import type { Sysroot } from '../sysroot.ts';
import { checkComposefs, type StoreCheckOptions } from './composefs.ts';
import { Findings, type UnifiedFinding } from './findings.ts';
import { checkImageCommit } from './ostree.ts';
import { compareExtents, type SharingReport } from './sharing.ts';
import { checkStorage } from './storage.ts';
import { checkStorageContents } from './storage-contents.ts';

/** Options of the check. */
export interface UnifiedCheckOptions extends StoreCheckOptions {
  /** Also compare the extents of files on the device. */
  readonly extents?: boolean | undefined;
}

/** Result of the check for one image. */
export interface ImageCheck {
  readonly image: SystemImage;
  /** True for an image that the system needs; findings of other images are reported but not counted. */
  readonly isLive: boolean;
  /** True for a deployed commit that is not made from composefs yet; the next pull replaces it. */
  readonly isPending: boolean;
  readonly findings: readonly UnifiedFinding[];
  readonly sharing: SharingReport | undefined;
  /** File objects of commits, damaged or missing. */
  readonly badFiles: ReadonlySet<OstreeChecksum>;
}

/** Result of the check. */
export interface UnifiedCheck {
  readonly state: StorageState;
  readonly binding: Binding;
  readonly canReflink: boolean;
  readonly images: readonly ImageCheck[];
  readonly ok: boolean;
}

/**
 * Checks that the stores of a sysroot agree about its images: by manifest, config, layers and commit, and with `extents` by the location of
 * every byte. Creates and changes nothing. A host without unified storage has nothing to check.
 * @throws as opening the stores
 */
export async function checkUnified(
  sysroot: Sysroot,
  options: UnifiedCheckOptions = {},
): Promise<UnifiedCheck> {
  const state = readState(sysroot);
  const { binding } = state;
  const canReflink = sysroot.canReflinkStores;
  if (binding === 'disabled') return { state, binding, canReflink, images: [], ok: true };
  using stores = await openStores(sysroot, options);
  const deployments = listDeployments(sysroot);
  const hasDeployments = deployments.length > 0;
  const images: ImageCheck[] = [];
  for (const image of surveyImages(sysroot, stores, deployments)) {
    options.signal?.throwIfAborted();
    images.push(await checkImage({ sysroot, stores, state, hasDeployments }, image, options));
  }
  const ok = images.every((one) => !one.isLive || one.findings.length === 0);
  return { state, binding, canReflink, images, ok };
}

/** Shared input of the checks of images. */
interface CheckContext {
  readonly sysroot: Sysroot;
  readonly stores: Stores;
  readonly state: StorageState;
  readonly hasDeployments: boolean;
}

async function checkImage(
  context: CheckContext,
  image: SystemImage,
  options: UnifiedCheckOptions,
): Promise<ImageCheck> {
  const { stores, state, sysroot } = context;
  const live = isNeeded(context, image);
  const isPending =
    live && image.commits.some((one) => !one.isSynthesized) && !hasSynthesized(image);
  const findings = new Findings();
  const stored = await checkComposefs(stores.composefs, image, findings, options);
  const chain =
    state.binding === 'unified' ? checkStorage(stores.storage, image, stored, findings) : undefined;
  if (chain !== undefined && stores.storage !== undefined && options.metadataOnly !== true) {
    await checkStorageContents(chain, stores.storage.roots, findings, options);
  }
  const badFiles = new Set<OstreeChecksum>();
  if (!sysroot.isNative && image.commits.length === 0) {
    findings.add('commit-missing', 'no commit of the OSTree repository has this image');
  }
  for (const commit of image.commits) {
    if (!commit.isSynthesized && !isPending) {
      findings.add(
        'commit-not-synthesized',
        `commit ${commit.commit} is not composefs-synthesized (expected on a bound system)`,
      );
    }
    if (stores.ostree === undefined) continue;
    for (const bad of await checkImageCommit(stores.ostree, commit, stored, findings, options)) {
      badFiles.add(bad);
    }
  }
  let sharing: SharingReport | undefined;
  if (options.extents === true && stored !== undefined && stores.composefs !== undefined) {
    if (!findings.has('composefs-damaged', 'commit-damaged')) {
      const commit = image.commits.find((one) => one.isSynthesized)?.commit;
      const { composefs, ostree } = stores;
      const places = { composefs, image: stored, ostree, commit, chain };
      sharing = await compareExtents(places, options);
      if (state.mode === 'enabled' && sharing.copiedFiles > 0) {
        findings.add(
          'extents-not-shared',
          `${sharing.copiedFiles} files do not share their extents, ${sharing.copiedBytes} bytes`,
        );
      }
    }
  }
  return { image, isLive: live, isPending, findings: findings.finish(), sharing, badFiles };
}

function hasSynthesized({ commits }: SystemImage): boolean {
  return commits.some(({ isSynthesized }) => isSynthesized);
}

/**
 * True for an image that runs or will run. An image without a deployment is needed if the sysroot has no deployment yet, or if images are kept in
 * containers-storage and not found by boot entries.
 */
function isNeeded({ state, hasDeployments, sysroot }: CheckContext, image: SystemImage): boolean {
  if (image.deployments.some(isLive)) return true;
  if (image.deployments.length > 0) return false;
  return (state.binding === 'unified' && !sysroot.isNative) || !hasDeployments;
}
