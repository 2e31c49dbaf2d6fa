import type { ContentDigest } from '#base/digest';
import type { OperationOptions } from '#base/flow';
import type { Platform } from '#formats/oci';
import type { Repository } from '#stores/composefs';
import {
  type CopyPlan,
  type CopySource,
  judgeAll,
  openCopySource,
  planCopy,
} from '#work/copy-image';
import { type PlanPullOptions, type PullPlan, type PullSource, planPull } from '#work/pull-image';
import type { RegistryImageOptions } from '#work/registry-image';
import type { TrustReport } from '#work/trust';
import { sourceOfImage, withConfig } from './image-source.ts';

/** How to open an index. */
export interface OpenIndexOptions extends OperationOptions {
  readonly registry?: RegistryImageOptions | undefined;
  readonly onWarning?: ((text: string) => void) | undefined;
}

/** The source of an index, what it names, and its images, which the policy of this host accepted. */
export interface OpenedIndex extends AsyncDisposable {
  readonly source: CopySource;
  readonly plan: CopyPlan;
  readonly trust: TrustReport;
  /** In the order of the index, attestations too. */
  readonly wanted: readonly IndexedImage[];
}

/** One image of an index, as its index states the platform. */
export interface OfPlatform {
  readonly platform: Platform | undefined;
}

/** An image of an index, with its config. */
export interface IndexedImage extends OfPlatform {
  readonly image: PullSource;
}

/**
 * Opens a reference with everything that it names, and judges each image.
 * @returns undefined when the reference names a single image
 * @throws as `openCopySource`, `planCopy`, `judgeAll`
 */
export async function openIndex(
  reference: string,
  { registry = {}, signal, onWarning }: OpenIndexOptions,
): Promise<OpenedIndex | undefined> {
  await using owned = new AsyncDisposableStack();
  const source = owned.use(await openCopySource(reference, registry));
  for (const warning of source.warnings) onWarning?.(warning);
  const plan = await planCopy(source, { all: true, signal });
  if (plan.top.document.kind !== 'index') return undefined;
  const trust = await judgeAll(source, plan, signal);
  const wanted = await readImages(source, plan, signal);
  const opened = owned.move();
  return { source, plan, trust, wanted, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

async function readImages(
  source: CopySource,
  plan: CopyPlan,
  signal: AbortSignal | undefined,
): Promise<IndexedImage[]> {
  const platforms = platformsOf(plan);
  const images: IndexedImage[] = [];
  for (const { digest, document } of plan.children) {
    if (document.kind !== 'manifest') continue;
    const image = await withConfig(source, { ...document, digest }, { signal });
    images.push({ image: sourceOfImage(source, image), platform: platforms.get(digest) });
  }
  return images;
}

/** Plans of images, each as if it were alone. @throws as `planPull` */
export async function planAll(
  repository: Repository | undefined,
  images: readonly IndexedImage[],
  options: PlanPullOptions,
): Promise<(PullPlan & OfPlatform)[]> {
  const { signal, reading, strategy, layerBytesMax, keepBlobs, planLayer } = options;
  const how = { signal, reading, strategy, layerBytesMax, keepBlobs, planLayer };
  const plans: (PullPlan & OfPlatform)[] = [];
  for (const { image, platform } of images) {
    plans.push({ ...(await planPull(repository, image, how)), platform });
  }
  return plans;
}

/** Bytes to fetch for images that are pulled one after the other: a layer of several comes once. */
export function fetchBytesOf(plans: readonly PullPlan[]): number {
  const layers = new Map<ContentDigest, number>();
  for (const { digest, fetchBytes } of plans.flatMap((plan) => plan.layers)) {
    layers.set(digest, Math.max(fetchBytes, layers.get(digest) ?? 0));
  }
  return [...layers.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** The platforms that the indexes of a plan state. */
function platformsOf({ top, children }: CopyPlan): ReadonlyMap<ContentDigest, Platform> {
  const found = new Map<ContentDigest, Platform>();
  for (const { document } of [top, ...children]) {
    if (document.kind !== 'index') continue;
    for (const { digest, platform } of document.manifests) {
      if (platform !== undefined) found.set(digest, platform);
    }
  }
  return found;
}
