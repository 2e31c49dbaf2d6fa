import type { ContentDigest } from '#base/digest';
import { UnsupportedError } from '#base/errors';
import type { BlobContent } from '#base/flow';
import {
  type ImageReference,
  parseLayerType,
  parseReference,
  type ResolvedImage,
  type ResolveOptions,
} from '#formats/oci';
import { openImageSource } from '#stores/oci-layout';

/** Where an image comes from: an opened layout or archive, or a registry. */
export interface PullSource {
  /** Chooses one image and verifies it down to its config. */
  resolve(options?: ResolveOptions): ResolvedImage | Promise<ResolvedImage>;
  /** Opens a blob; its bytes are verified here, not there. */
  openBlob(digest: ContentDigest, sizeBytes?: number): BlobContent | Promise<BlobContent>;
}

/** A source and what closes it, when it was opened here. */
export interface OpenedSource extends AsyncDisposable {
  readonly source: PullSource;
}

/** Opens what a reference names; an open source stays the caller's. @throws UnsupportedError TRANSPORT_UNSUPPORTED; as `openImageSource` */
export async function openSource(
  from: string | ImageReference | PullSource,
): Promise<OpenedSource> {
  if (typeof from === 'object' && 'openBlob' in from) {
    return { source: from, async [Symbol.asyncDispose]() {} };
  }
  const reference = typeof from === 'string' ? parseReference(from) : from;
  switch (reference.transport) {
    case 'oci':
    case 'oci-archive':
    case 'docker-archive':
    case 'dir': {
      const source = await openImageSource(reference);
      return { source, [Symbol.asyncDispose]: async () => source[Symbol.dispose]() };
    }
    default:
      throw new UnsupportedError(
        'TRANSPORT_UNSUPPORTED',
        `Cannot pull from "${reference.transport}": expected oci, oci-archive, docker-archive or dir`,
        { transport: reference.transport },
      );
  }
}

/** @throws UnsupportedError MEDIA_TYPE_UNSUPPORTED when a container image has a layer that is no tar */
export function requireTarLayers(image: ResolvedImage): void {
  if (image.config === undefined) return;
  for (const { mediaType, digest } of image.manifest.layers) {
    if (parseLayerType(mediaType) !== undefined) continue;
    throw new UnsupportedError(
      'MEDIA_TYPE_UNSUPPORTED',
      `Cannot pull layer ${digest}: expected a tar layer, found "${mediaType.slice(0, 200)}"`,
      { mediaType: mediaType.slice(0, 200), layer: digest },
    );
  }
}
