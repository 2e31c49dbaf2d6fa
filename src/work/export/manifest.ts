import type { ContentDigest } from '#base/digest';
import { encodeManifest } from '#formats/oci';
import type { OciImage } from '#work/image';

/** A layer at its target. */
export interface PlacedLayer {
  readonly digest: ContentDigest;
  readonly originalDigest: ContentDigest;
  readonly sizeBytes: number;
  readonly mediaType: string;
  /** Annotations of a blob that was compressed again; those of an unchanged blob are the pulled ones. */
  readonly annotations?: ReadonlyMap<string, string> | undefined;
}

/** The stored manifest, byte for byte, if it still describes the layers; otherwise a new manifest for the layers. */
export function manifestOf({ manifest }: OciImage, layers: readonly PlacedLayer[]): Uint8Array {
  if (layers.every(({ digest, originalDigest }) => digest === originalDigest)) {
    return manifest.bytes;
  }
  const described = layers.map((layer, at) => {
    const isSame = layer.digest === layer.originalDigest;
    return isSame ? { ...layer, annotations: manifest.layers[at]?.annotations } : layer;
  });
  return encodeManifest(manifest.config, described, manifest.annotations);
}
