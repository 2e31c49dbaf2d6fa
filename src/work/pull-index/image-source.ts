import { FormatError } from '#base/errors';
import type { Descriptor, Manifest, ResolvedImage } from '#formats/oci';
import { imageOf, parseManifest } from '#formats/oci';
import type { CopySource } from '#work/copy-image';
import type { PullSource } from '#work/pull-image';

/** Options of reading documents. */
interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads the manifest of a descriptor and its config, whatever the platform is.
 * @throws FormatError OCI_DOCUMENT_INVALID for an index; as `imageOf`, and as the source
 */
export async function readImage(
  source: CopySource,
  descriptor: Descriptor,
  options: ReadOptions,
): Promise<ResolvedImage> {
  const { digest, mediaType } = descriptor;
  const manifest = parseManifest(await source.readDocument(descriptor, options), mediaType);
  if (manifest.kind === 'manifest')
    return await withConfig(source, { ...manifest, digest }, options);
  throw new FormatError(
    'OCI_DOCUMENT_INVALID',
    `Cannot read image ${digest}: expected a manifest, found an image index`,
    { offset: 0, what: `manifest ${digest}` },
  );
}

/** The image of a manifest that was read. @throws as `readImage` */
export async function withConfig(
  source: CopySource,
  manifest: Manifest,
  options: ReadOptions,
): Promise<ResolvedImage> {
  return imageOf(manifest, await source.readDocument(manifest.config, options));
}

/** The source of an image that is known, for `pullImage`; what the source reads is counted there. */
export function sourceOfImage(source: CopySource, image: ResolvedImage): PullSource {
  const bare = { mediaType: '', annotations: new Map<string, string>(), urls: [] };
  return {
    resolve: () => image,
    isRemote: source.place !== undefined,
    origin: source.place,
    openBlob: (digest, sizeBytes = 0) => {
      const content = source.openBlob({ ...bare, digest, sizeBytes });
      return content instanceof Uint8Array ? [content] : content;
    },
  };
}
