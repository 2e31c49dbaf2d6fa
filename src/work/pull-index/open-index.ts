import type { ContentDigest } from '#base/digest';
import type { OperationOptions } from '#base/flow';
import type { Platform } from '#formats/oci';
import type { Repository } from '#stores/composefs';
import { type CopyPlan, type CopySource, openCopySource, planCopy } from '#work/copy-image';
import { type PlanPullOptions, type PullPlan, type PullSource, planPull } from '#work/pull-image';
import type { RegistryImageOptions } from '#work/registry-image';
import { sourceOfImage, withConfig } from './image-source.ts';

/** How to open an index. */
export interface OpenIndexOptions extends OperationOptions {
  readonly registry?: RegistryImageOptions | undefined;
  readonly onWarning?: ((text: string) => void) | undefined;
}

/** A source with what its reference names. */
export interface OpenedIndex extends AsyncDisposable {
  readonly source: CopySource;
  readonly plan: CopyPlan;
}

/** One image of an index, as its index states the platform. */
export interface OfPlatform {
  readonly platform: Platform | undefined;
}

/** An image of an index, with its config. */
export interface IndexedImage extends OfPlatform {
  readonly image: PullSource;
}

/** Opens a reference with all that it names; the top may be a single image. @throws as `openCopySource`, `planCopy` */
export async function openIndex(
  reference: string,
  { registry = {}, signal, onWarning }: OpenIndexOptions,
): Promise<OpenedIndex> {
  await using owned = new AsyncDisposableStack();
  const source = owned.use(await openCopySource(reference, registry));
  for (const warning of source.warnings) onWarning?.(warning);
  const plan = await planCopy(source, { all: true, signal });
  const opened = owned.move();
  return { source, plan, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** The images of an index in its order, attestations too. @throws as the source */
export async function readImages(
  { source, plan }: OpenedIndex,
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
