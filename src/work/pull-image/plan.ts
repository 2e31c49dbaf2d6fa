import type { ContentDigest, DiffId, ObjectId } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import type { Descriptor, ResolvedImage } from '#formats/oci';
import { CONTENT_TYPES } from '#formats/splitstream';
import type { Repository } from '#stores/composefs';
import { layerStreamName, openOciImage, presentImages } from '#work/image';
import type { PullPlan } from './report.ts';

/** One layer of the image to be pulled, and where it stands. */
export interface PlannedLayer {
  readonly position: number;
  readonly descriptor: Descriptor;
  readonly diffId: DiffId | undefined;
  readonly streamName: string;
  /** Position of the first layer with the same name, when this is not it. */
  readonly sameAs: number | undefined;
  /** The stream that the repository has, complete with its objects. */
  readonly presentId: ObjectId | undefined;
}

/** What a layer is called in refs and progress: its diff id, or its digest when it has none. */
export function nameOf({ diffId, descriptor }: PlannedLayer): DiffId | ContentDigest {
  return diffId ?? descriptor.digest;
}

/** Which layers the repository has already. A layer counts only when its stream can be read and every object is there. */
export function planLayers(
  repository: Repository | undefined,
  image: ResolvedImage,
): PlannedLayer[] {
  const first = new Map<string, number>();
  return image.manifest.layers.map((descriptor, position) => {
    const diffId = image.config?.diffIds[position];
    const streamName = layerStreamName(diffId ?? descriptor.digest);
    const sameAs = first.get(streamName);
    if (sameAs === undefined) first.set(streamName, position);
    const contentType = diffId === undefined ? CONTENT_TYPES.ociBlob : CONTENT_TYPES.ociLayer;
    const presentId =
      sameAs === undefined && repository !== undefined
        ? findComplete(repository, streamName, contentType)
        : undefined;
    return { position, descriptor, diffId, streamName, sameAs, presentId };
  });
}

/** The id of a stream whose objects are all there; a damaged stream is as good as none. */
export function findComplete(
  repository: Repository,
  name: string,
  contentType: bigint,
): ObjectId | undefined {
  try {
    if (!repository.streams.has(name)) return undefined;
    using opened = repository.streams.open(name, { contentType });
    const isComplete = opened.stream.objectRefs.every((id) => repository.objects.has(id));
    return isComplete ? opened.id : undefined;
  } catch (error) {
    if (isOnecopyError(error) && error.kind !== 'host') return undefined;
    throw error;
  }
}

/** True when the image is stored with its EROFS images, and they need no building. */
export function isBuilt(repository: Repository, digest: ContentDigest): boolean {
  try {
    const image = openOciImage(repository, `@${digest}`);
    return image.config === undefined || presentImages(repository, image) !== undefined;
  } catch (error) {
    if (isOnecopyError(error) && error.kind !== 'host') return false;
    throw error;
  }
}

/** The plan as a plain value. */
export function describePlan(
  repository: Repository | undefined,
  image: ResolvedImage,
  layers: readonly PlannedLayer[],
): PullPlan {
  const rows = layers.map(({ descriptor, diffId, sameAs, presentId }) => ({
    diffId,
    digest: descriptor.digest,
    sizeBytes: descriptor.sizeBytes,
    status:
      sameAs !== undefined
        ? ('repeated' as const)
        : presentId !== undefined
          ? ('present' as const)
          : ('wanted' as const),
  }));
  const bytesOf = (status: string) =>
    rows.filter((row) => row.status === status).reduce((sum, row) => sum + row.sizeBytes, 0);
  return {
    kind: image.config === undefined ? 'artifact' : 'image',
    manifestDigest: image.manifest.digest,
    configDigest: image.manifest.config.digest,
    layers: rows,
    wantedBytes: bytesOf('wanted'),
    presentBytes: bytesOf('present'),
    wouldBuild:
      image.config !== undefined &&
      (repository === undefined || !isBuilt(repository, image.manifest.digest)),
  };
}
