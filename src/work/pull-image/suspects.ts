import type { ResolvedImage } from '#formats/oci';
import { type Repository, type Suspects, settleObjects } from '#stores/composefs';
import { blobStreamName, configStreamName, manifestStreamName } from '#work/image';
import type { PlannedLayer } from './plan.ts';

/** Removes the marks of objects that a finished pull has verified or replaced, and of the streams of the image. */
export function settleSuspects(
  repository: Repository,
  before: Suspects,
  image: ResolvedImage,
  layers: readonly PlannedLayer[],
): void {
  if (before === 'all' || before.ids.size + before.streams.size === 0) return;
  const { digest, config } = image.manifest;
  const names = [
    manifestStreamName(digest),
    configStreamName(config.digest),
    ...layers.map(({ streamName }) => streamName),
    ...layers.flatMap(({ blobId, descriptor }) =>
      blobId === undefined ? [] : [blobStreamName(descriptor.digest)],
    ),
  ];
  settleObjects(repository, before);
  const settled = names.filter((stream) => before.streams.has(stream));
  repository.suspects.clear(settled.map((stream) => ({ stream })));
}
