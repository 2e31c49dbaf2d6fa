import type { ContentDigest } from '#base/digest';
import { UnsupportedError, UsageError } from '#base/errors';
import type { BlobContent, OperationOptions, RemoteBlob, Traffic } from '#base/flow';
import {
  formatReference,
  type ImageReference,
  parseLayerType,
  parseReference,
  type ResolvedImage,
  type ResolveOptions,
} from '#formats/oci';
import type { HostMemory } from '#remotes/registry';
import { openImageSource } from '#stores/oci-layout';
import type { Origin } from '#work/image';
import type { SplitLayer } from '#work/ingest';
import type { RegistryImageOptions } from '#work/registry-image';
import type { ImageJudge } from '#work/trust';

/** The source of an image: an opened layout or archive, or a registry. */
export interface PullSource {
  /** Selects one image and verifies its manifest and config. */
  resolve(options?: SourceResolveOptions): ResolvedImage | Promise<ResolvedImage>;
  /** Opens a blob; its bytes are verified here, not there. What is remote is kept as far as it came, for the next pull. */
  openBlob(
    digest: ContentDigest,
    sizeBytes?: number,
  ): BlobContent | RemoteBlob | Promise<BlobContent | RemoteBlob>;
  /**
   * Opens a layer of the resolved image as a tar-split and files, where the source has that in the place of blobs; its content is verified
   * here, not there.
   */
  readonly openLayer?: ((position: number) => SplitLayer) | undefined;
  /** True when blobs come over a network. */
  readonly isRemote?: boolean | undefined;
  /** Opens a layer of the resolved image as its tar, where the source makes that in the place of blobs; its diff id is verified here. */
  readonly openTar?: ((position: number) => AsyncIterable<Uint8Array>) | undefined;
  /** Default judge of the resolved image. */
  readonly judge?: ImageJudge | undefined;
  /** The repository of a registry that has the blobs of the resolved image. */
  readonly origin?: Origin | undefined;
  /** Network costs so far; undefined for a source on this host. */
  readonly traffic?: Traffic | undefined;
  /** Begins with what earlier pulls learnt of the hosts, and tells what this one learns. */
  readonly remember?: ((memory: HostMemory) => void) | undefined;
  /** What a user should hear once. */
  readonly warnings?: readonly string[] | undefined;
}

/** Options of resolving. */
export interface SourceResolveOptions extends ResolveOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Options of opening what a reference names. */
export interface OpenSourceOptions extends Pick<OperationOptions, 'signal'> {
  /** For references to registries. */
  readonly registry?: RegistryImageOptions | undefined;
}

/** A source and what closes it, when it was opened here. */
export interface OpenedSource extends AsyncDisposable {
  readonly source: PullSource;
}

/**
 * Opens the source of a reference; an open source still belongs to the caller. @throws UsageError for a name without a transport;
 * UnsupportedError TRANSPORT_UNSUPPORTED; as `openImageSource`
 */
export async function openSource(
  from: string | ImageReference | PullSource,
  options: OpenSourceOptions = {},
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
    case 'docker': {
      // Loaded on demand: a registry client takes time to load, which other pulls do not need.
      const { openRegistryImage } = await import('#work/registry-image');
      const source = await openRegistryImage(reference, options.registry);
      return { source, [Symbol.asyncDispose]: () => source[Symbol.asyncDispose]() };
    }
    case 'containers-storage': {
      const { openContainersSource } = await import('#work/containers');
      const source = await openContainersSource(reference, options);
      return { source, [Symbol.asyncDispose]: async () => source[Symbol.dispose]() };
    }
    case 'stored':
      throw bareName(reference);
    default:
      throw new UnsupportedError(
        'TRANSPORT_UNSUPPORTED',
        `Cannot pull from "${reference.transport}": expected docker, oci, oci-archive, docker-archive, dir or containers-storage`,
        { transport: reference.transport },
      );
  }
}

/** A source of which one image was resolved: it gives that image, and everything else as before. */
export function fixedSource(source: PullSource, image: ResolvedImage): PullSource {
  return {
    resolve: () => image,
    openBlob: source.openBlob.bind(source),
    openLayer: source.openLayer?.bind(source),
    isRemote: source.isRemote,
    origin: source.origin,
    judge: source.judge?.bind(source),
    remember: source.remember?.bind(source),
    get traffic() {
      return source.traffic;
    },
  };
}

/** The error for a name without a transport. */
function bareName(reference: ImageReference): UsageError {
  const text = formatReference(reference);
  const name = text.startsWith('@') ? `NAME${text}` : text;
  return new UsageError(
    `Cannot pull "${text}": expected a transport before the name, found none`,
    /^[./~]|\.tar(?:\.\w+)?$/.test(text)
      ? `From an OCI layout: oci:${text}; from an archive: oci-archive:${text} or docker-archive:${text}`
      : `From a registry: docker://${name}; from a layout: oci:DIRECTORY:TAG`,
  );
}

/** @throws UnsupportedError MEDIA_TYPE_UNSUPPORTED if a container image has a layer that is not a tar */
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
