import type { ContentDigest } from '#base/digest';
import type { OperationOptions } from '#base/flow';
import { parseReference } from '#formats/oci';
import type { Repository } from '#stores/composefs';
import type { CopyPlan } from '#work/copy-image';
import { noteOrigin, storeIndex } from '#work/image';
import {
  type PullAccess,
  type PullOptions,
  type PullPlan,
  type PullReport,
  pullImage,
  requireBudget,
  withAccess,
} from '#work/pull-image';
import type { RegistryImageOptions } from '#work/registry-image';
import type { TrustReport } from '#work/trust';
import { fetchBytesOf, type OfPlatform, openIndex, planAll } from './open-index.ts';

/** How to pull an index. Compressed blobs are always stored, so that a push gives the index back byte for byte. */
export interface IndexPullOptions
  extends OperationOptions,
    Pick<
      PullOptions,
      | 'entriesMax'
      | 'jobs'
      | 'layerBytesMax'
      | 'maxBytes'
      | 'onWarning'
      | 'reading'
      | 'requireVerity'
      | 'strategy'
      | 'verifyReused'
    > {
  /** Tag of the index; without one, the next garbage collection removes it. */
  readonly name?: string | undefined;
  /** For the source and its policy. */
  readonly registry?: RegistryImageOptions | undefined;
}

/** What a pull of an index did. */
export interface IndexPullReport {
  readonly name: string | undefined;
  readonly indexDigest: ContentDigest;
  readonly mediaType: string;
  readonly trust: TrustReport;
  /** In the order of the index, attestations too. */
  readonly images: readonly (PullReport & OfPlatform)[];
  /** Bytes of manifests, configs and blobs that came over a network. */
  readonly fetchedBytes: number;
}

/** What a pull of an index would do. */
export interface IndexPullPlan extends Omit<IndexPullReport, 'images' | 'name' | 'fetchedBytes'> {
  readonly images: readonly (PullPlan & OfPlatform)[];
  /** Bytes that would come over a network, a layer of several images once. */
  readonly fetchBytes: number;
  /** True when that is more than the caller allows. */
  readonly isOverBudget: boolean;
}

/**
 * Pulls an index with everything that it names: images, attestations, other indexes. The policy of this host decides about every image
 * before the first layer. A layer of several images is fetched once. The index gets its stream when all of its images have theirs, and the
 * tag comes last. An interrupted pull leaves complete layers and partial blobs, as that of one image does.
 * @returns undefined when the reference names a single image, of which nothing was pulled
 * @throws as `openCopySource`, `planCopy`, `pullImage`; IntegrityError IMAGE_REJECTED
 */
export async function pullIndex(
  repository: Repository,
  reference: string,
  options: IndexPullOptions = {},
): Promise<IndexPullReport | undefined> {
  repository.ensureWritable();
  const { signal, onProgress } = options;
  const isLeased = parseReference(reference).transport === 'docker';
  return await withAccess(repository, { signal, onProgress, isLeased }, (access) =>
    pullWith(repository, reference, { ...options, access }),
  );
}

async function pullWith(
  repository: Repository,
  reference: string,
  options: IndexPullOptions & { readonly access: PullAccess },
): Promise<IndexPullReport | undefined> {
  const { name, registry, signal, onWarning, access, maxBytes, ...how } = options;
  await using opened = await openIndex(reference, options);
  if (opened === undefined) return undefined;
  const { source, plan, trust, wanted } = opened;
  const { top } = plan;
  if (maxBytes !== undefined) {
    const plans = await planAll(repository, wanted, { ...options, keepBlobs: true });
    requireBudget(source.fetchedBytes + fetchBytesOf(plans), maxBytes);
  }
  const judge = async () => trust;
  const settings = { ...how, signal, onWarning, judge, keepBlobs: true };
  const images: (PullReport & OfPlatform)[] = [];
  for (const { image, platform } of wanted) {
    images.push({ ...(await pullImage(repository, image, settings)), platform });
  }
  signal?.throwIfAborted();
  await access.locked(async () => {
    // Nothing but the lease kept the first images while the others came, and other tools do not know it.
    const again = access.isHeld ? [] : wanted;
    for (const { image } of again) {
      await pullImage(repository, image, { ...settings, verifyReused: false, holdLock: true });
    }
    await keepIndexes(repository, plan);
    if (source.place !== undefined) noteOrigin(repository, top.digest, source.place);
    if (name !== undefined) repository.tags.setIndex(name, top.digest);
  });
  const { digest: indexDigest, mediaType } = top;
  return { name, indexDigest, mediaType, trust, images, fetchedBytes: source.fetchedBytes };
}

/** Plan of `pullIndex`; nothing is written. A layer that several images have counts once. @throws as `pullIndex` */
export async function planIndexPull(
  repository: Repository | undefined,
  reference: string,
  options: IndexPullOptions = {},
): Promise<IndexPullPlan | undefined> {
  const { maxBytes } = options;
  await using opened = await openIndex(reference, options);
  if (opened === undefined) return undefined;
  const { source, plan, trust, wanted } = opened;
  const { top } = plan;
  const images = await planAll(repository, wanted, { ...options, keepBlobs: true });
  const fetchBytes = source.fetchedBytes + fetchBytesOf(images);
  const isOverBudget = maxBytes !== undefined && fetchBytes > maxBytes;
  const { digest: indexDigest, mediaType } = top;
  return { indexDigest, mediaType, trust, images, fetchBytes, isOverBudget };
}

/** Stores the inner indexes, then the one that names them all. */
async function keepIndexes(repository: Repository, { top, children }: CopyPlan): Promise<void> {
  const kinds = new Map(children.map((child) => [child.digest, child.document.kind]));
  const blobs = children.flatMap(({ document: child }) =>
    child.kind === 'manifest' ? child.layers.map((layer) => layer.digest) : [],
  );
  for (const { digest, bytes, document } of [...children, top]) {
    if (document.kind !== 'index') continue;
    const named = document.manifests.map((child) => ({
      digest: child.digest,
      kind: kinds.get(child.digest) ?? 'manifest',
    }));
    await storeIndex(repository, { digest, bytes, children: named, blobs });
  }
}
