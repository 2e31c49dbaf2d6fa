import type { ObjectId } from '#base/digest';
import { COMPRESSION_CODE, computeLayerId } from '#formats/containers-storage';
import { type Descriptor, parseLayerType } from '#formats/oci';
import type { LayerToWrite } from '#stores/containers';
import type { OciImage } from '#work/image';

/** A layer as far as it is known before it is written. */
export interface PlannedLayer extends LayerToWrite {
  readonly streamId: ObjectId;
}

/** The layers of an image in order; their sizes and owners are known later. */
export function planLayers({ layers, manifest }: OciImage): readonly PlannedLayer[] {
  const planned: PlannedLayer[] = [];
  for (const [at, { diffId, id: streamId }] of layers.entries()) {
    const { digest, sizeBytes, mediaType } = manifest.layers[at] as Descriptor;
    if (diffId === undefined) continue;
    const parent = planned.at(-1)?.id;
    planned.push({
      id: computeLayerId(parent, { diffId }),
      parent,
      diffId,
      streamId,
      diffSizeBytes: 0,
      blob: { digest, sizeBytes },
      compression: compressionOf(mediaType),
      uids: [],
      gids: [],
    });
  }
  return planned;
}

function compressionOf(mediaType: string): number {
  const type = parseLayerType(mediaType);
  return COMPRESSION_CODE[type?.compression ?? 'none'];
}
