import type { ContentDigest } from '#base/digest';
import { encodeManifest } from '#formats/oci';
import type { OciImage } from '#work/image';

/** A layer at its target. */
export interface PlacedLayer {
  readonly digest: ContentDigest;
  readonly originalDigest: ContentDigest;
  readonly sizeBytes: number;
  readonly mediaType: string;
}

/** The stored manifest, byte for byte, if it still describes the layers; otherwise a new manifest for the layers. */
export function manifestOf({ manifest }: OciImage, layers: readonly PlacedLayer[]): Uint8Array {
  if (layers.every(({ digest, originalDigest }) => digest === originalDigest)) {
    return manifest.bytes;
  }
  return encodeManifest(manifest.config, layers, manifest.annotations);
}
