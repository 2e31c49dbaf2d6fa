import { algorithmOf, type ContentDigest, computeContentDigest } from '#base/digest';
import { type BlobRange, type RemoteBlob, verifyDigest, verifySize } from '#base/flow';
import {
  CONFIG_MAX_BYTES,
  type Descriptor,
  type ImageReference,
  isIndexType,
  isManifestType,
  MANIFEST_MAX_BYTES,
  parseReference,
  type RegistryReference,
} from '#formats/oci';
import { openImageSource } from '#stores/oci-layout';
import { manifestOf, openRegistryImage, type RegistryImageOptions } from '#work/registry-image';
import { createLocalJudge, type ImageJudge } from '#work/trust';
import { noImagePlace } from './place.ts';

/** Options of reading. */
interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
}

/** A blob to copy: a range of a local file, one that is fetched when it is read, or bytes that are here. */
export type CopyContent = BlobRange | RemoteBlob | Uint8Array;

/** Where an image is copied from. Documents are verified here; blobs are verified by their readers. */
export interface CopySource extends AsyncDisposable {
  /** Its repository, when it is in a registry. */
  readonly place: Pick<RegistryReference, 'registry' | 'repository'> | undefined;
  /** What a user should hear once. */
  readonly warnings: readonly string[];
  /** Bytes of manifests and blobs that came over a network so far. */
  readonly fetchedBytes: number;
  readonly judge: ImageJudge;
  /** Manifests and indexes that the reference leaves to choose from; where it names one, that alone. */
  listCandidates(options: ReadOptions): Promise<readonly Descriptor[]>;
  /** A manifest, index or config, verified. */
  readDocument(descriptor: Descriptor, options: ReadOptions): Promise<Uint8Array>;
  openBlob(descriptor: Descriptor): CopyContent;
  /** After a blob that was not what its digest says: true when it may be asked for elsewhere. */
  distrust(blob: CopyContent): boolean;
  listReferrers(subject: ContentDigest, options: ReadOptions): Promise<readonly Descriptor[]>;
}

/**
 * Opens what a reference names.
 * @throws UnsupportedError TRANSPORT_UNSUPPORTED; as `openImageSource`, `openRegistryImage`; FormatError REFERENCE_INVALID
 */
export async function openCopySource(
  text: string,
  options: RegistryImageOptions,
): Promise<CopySource> {
  const reference: ImageReference = parseReference(text);
  switch (reference.transport) {
    case 'docker':
      return await openRegistry(reference, options);
    case 'oci':
    case 'oci-archive':
    case 'docker-archive':
    case 'dir':
      return await openLocal(text, reference, options);
    default:
      throw noImagePlace(text, reference, 'copy from');
  }
}

async function openRegistry(
  reference: RegistryReference,
  options: RegistryImageOptions,
): Promise<CopySource> {
  const image = await openRegistryImage(reference, options);
  const { repository } = image;
  // What was read to choose an image is not asked for again.
  const known = new Map<ContentDigest, Uint8Array>();
  return {
    place: reference,
    warnings: image.warnings,
    get fetchedBytes() {
      return image.traffic.bodyBytes;
    },
    judge: (manifest, judgeOptions) => image.judge(manifest, judgeOptions),
    async listCandidates({ signal }) {
      const top = await repository.requireManifest(manifestOf(reference), { signal });
      const digest = reference.digest ?? top.digest;
      known.set(digest, top.bytes);
      const { mediaType, bytes } = top;
      const facts = { annotations: new Map(), urls: [] };
      return [{ mediaType, digest, sizeBytes: bytes.length, ...facts }];
    },
    async readDocument({ digest, sizeBytes, mediaType }, { signal }) {
      const isManifest = isIndexType(mediaType) || isManifestType(mediaType);
      const found =
        known.get(digest) ??
        (isManifest
          ? (await repository.requireManifest({ digest }, { signal })).bytes
          : await repository.readBlob({ digest, sizeBytes }, { signal }));
      const bytes = checked(found, { digest, sizeBytes });
      known.set(digest, bytes);
      return bytes;
    },
    openBlob: (descriptor) => known.get(descriptor.digest) ?? repository.openBlob(descriptor),
    distrust: (blob) => 'distrust' in blob && (blob as { distrust(): boolean }).distrust(),
    listReferrers: (subject, { signal }) => repository.listReferrers(subject, { signal }),
    [Symbol.asyncDispose]: () => image[Symbol.asyncDispose](),
  };
}

async function openLocal(
  text: string,
  reference: Parameters<typeof openImageSource>[0],
  options: RegistryImageOptions,
): Promise<CopySource> {
  const source = await openImageSource(reference);
  return {
    place: undefined,
    warnings: [],
    fetchedBytes: 0,
    judge: createLocalJudge(text, options),
    listCandidates: async () => source.listCandidates(),
    async readDocument({ digest, sizeBytes, mediaType }) {
      const isConfig = !isIndexType(mediaType) && !isManifestType(mediaType) && mediaType !== '';
      const bytes = source.readBlob(digest, isConfig ? CONFIG_MAX_BYTES : MANIFEST_MAX_BYTES);
      return checked(bytes, { digest, sizeBytes });
    },
    openBlob: ({ digest, sizeBytes }) => source.openBlob(digest, sizeBytes),
    distrust: () => false,
    listReferrers: async (subject) => source.listReferrers(subject),
    [Symbol.asyncDispose]: async () => source[Symbol.dispose](),
  };
}

function checked(
  bytes: Uint8Array,
  expected: Pick<Descriptor, 'digest' | 'sizeBytes'>,
): Uint8Array {
  const { digest } = expected;
  verifySize(expected, bytes.length);
  verifyDigest(digest, computeContentDigest(bytes, algorithmOf(digest)));
  return bytes;
}
