import {
  algorithmOf,
  type ContentDigest,
  computeContentDigest,
  isContentDigest,
  type ObjectId,
} from '#base/digest';
import { FormatError } from '#base/errors';
import { verifyDigest } from '#base/flow';
import {
  CONFIG_MAX_BYTES,
  type Descriptor,
  type ImageIndex,
  INDEX_DEPTH_MAX,
  isAttestation,
  isIndexType,
  isManifestType,
  MANIFEST_MAX_BYTES,
  type Platform,
  parseManifest,
  resolveImage,
} from '#formats/oci';
import { CONTENT_TYPES } from '#formats/splitstream';
import type { Repository } from '#stores/composefs';
import { storeDocument } from './documents.ts';
import {
  blobRefName,
  blobStreamName,
  configStreamName,
  indexStreamName,
  manifestStreamName,
} from './names.ts';

/**
 * Folder below `streams/refs`, one folder for each index, with a link to each of its manifests. Specific to onecopy: the stream of an index
 * refers to manifests by id, but composefs-rs gives a manifest another id when it rewrites its stream.
 */
const INDEXES = 'oci-index';

/** A stored index, verified. A value: nothing stays open. */
export interface StoredIndex {
  readonly indexDigest: ContentDigest;
  readonly index: ImageIndex;
  readonly streamId: ObjectId;
}

/** An index, and the streams of what it names, in its order. */
export interface IndexContent {
  readonly digest: ContentDigest;
  readonly bytes: Uint8Array;
  readonly children: readonly { readonly digest: ContentDigest; readonly kind: Kind }[];
  /** Compressed blobs that its images have. The stream refers to them, because composefs-rs drops what a manifest says of them. */
  readonly blobs: readonly ContentDigest[];
}

type Kind = 'manifest' | 'index';

/**
 * Stores an index, whose manifests are stored, and names its stream. It has no tag yet.
 * @throws NotFoundError STREAM_NOT_FOUND when one of its manifests is not stored; HostError SYSCALL_FAILED, NO_SPACE
 */
export async function storeIndex(
  repository: Repository,
  { digest, bytes, children, blobs }: IndexContent,
): Promise<ObjectId> {
  const { streams, refs, objects } = repository;
  const distinct = [...new Map(children.map((child) => [child.digest, child])).values()];
  const named = distinct.map((child) => {
    using stream = streams.open(streamNameOf(child));
    return [`${child.kind}:${child.digest}`, stream.id] as const;
  });
  const kept = [...new Set(blobs)].sort().flatMap((blob) => {
    const stream = streams.idOf(blobStreamName(blob));
    return stream === undefined ? [] : [[blobRefName(blob), stream] as const];
  });
  const { id } = objects.ensureBytes(bytes);
  const content = { id, sizeBytes: bytes.length };
  const refsOf = [...named, ...kept];
  const streamId = await storeDocument(repository, content, CONTENT_TYPES.ociIndex, refsOf);
  const name = indexStreamName(digest);
  if (!streams.leadsTo(name, streamId)) streams.register(name, streamId);
  for (const child of distinct) {
    refs.set('streams', `${INDEXES}/${digest}/${child.digest}`, streamNameOf(child));
  }
  return streamId;
}

function streamNameOf({ digest, kind }: IndexContent['children'][number]): string {
  return kind === 'index' ? indexStreamName(digest) : manifestStreamName(digest);
}

/**
 * Opens a stored index.
 * @throws NotFoundError STREAM_NOT_FOUND; IntegrityError BLOB_DIGEST_MISMATCH, OBJECT_DIGEST_MISMATCH; FormatError OCI_DOCUMENT_INVALID
 */
export function openStoredIndex(repository: Repository, digest: ContentDigest): StoredIndex {
  const stored = repository.streams.readDocument(indexStreamName(digest), {
    contentType: CONTENT_TYPES.ociIndex,
    limitBytes: MANIFEST_MAX_BYTES,
  });
  verifyDigest(digest, computeContentDigest(stored.bytes, algorithmOf(digest)));
  const document = parseManifest(stored.bytes);
  if (document.kind === 'index') {
    return { indexDigest: digest, index: { ...document, digest }, streamId: stored.id };
  }
  throw new FormatError(
    'OCI_DOCUMENT_INVALID',
    `Cannot open image index ${digest}: expected an image index, found a manifest`,
    { offset: 0, what: `image index ${digest}` },
  );
}

/**
 * The image of a stored index for a platform (default: of this host).
 * @throws NotFoundError PLATFORM_NOT_FOUND; as `openStoredIndex`, `resolveImage`
 */
export function chooseImage(
  repository: Repository,
  digest: ContentDigest,
  platform?: Platform,
): ContentDigest {
  const { index } = openStoredIndex(repository, digest);
  const search = resolveImage([topOf(index)], { platform });
  let step = search.next();
  while (step.done !== true) {
    step = search.next(readAny(repository, step.value.descriptor));
  }
  return step.value.manifest.digest;
}

function topOf({ digest, mediaType, bytes }: ImageIndex): Descriptor {
  return { digest, mediaType, sizeBytes: bytes.length, annotations: new Map(), urls: [] };
}

/** A document of an image; `resolveImage` verifies it. */
function readAny(repository: Repository, { digest, mediaType }: Descriptor): Uint8Array {
  const { streams } = repository;
  if (isIndexType(mediaType) || streams.has(indexStreamName(digest))) {
    return openStoredIndex(repository, digest).index.bytes;
  }
  const isManifest = isManifestType(mediaType) || streams.has(manifestStreamName(digest));
  return isManifest
    ? streams.readDocument(manifestStreamName(digest), {
        contentType: CONTENT_TYPES.ociManifest,
        limitBytes: MANIFEST_MAX_BYTES,
      }).bytes
    : streams.readDocument(configStreamName(digest), {
        contentType: CONTENT_TYPES.ociConfig,
        limitBytes: CONFIG_MAX_BYTES,
      }).bytes;
}

/** What is below an index: a manifest of a platform or an attestation, or another index. */
export interface ManifestBelow {
  readonly kind: Kind;
  readonly digest: ContentDigest;
  readonly mediaType: string;
  /** As the index says. */
  readonly platform: Platform | undefined;
  /** True for provenance and lists of contents that lie beside the images. */
  readonly isAttestation: boolean;
}

/**
 * Everything that a stored index names, each once, and an index after what it names.
 * @throws as `openStoredIndex`; FormatError INDEX_TOO_DEEP
 */
export function manifestsBelow(
  repository: Repository,
  digest: ContentDigest,
): readonly ManifestBelow[] {
  const found = new Map<ContentDigest, ManifestBelow>();
  const visit = (index: ImageIndex, depth: number) => {
    if (depth > INDEX_DEPTH_MAX) {
      throw new FormatError(
        'INDEX_TOO_DEEP',
        `Cannot read image index ${digest}: expected at most ${INDEX_DEPTH_MAX} nested indexes, found more`,
        { offset: 0, what: `image index ${digest}` },
      );
    }
    for (const descriptor of index.manifests) {
      if (found.has(descriptor.digest)) continue;
      const { digest: below, mediaType, platform } = descriptor;
      const isIndex = repository.streams.has(indexStreamName(below));
      if (isIndex) visit(openStoredIndex(repository, below).index, depth + 1);
      const kind = isIndex ? ('index' as const) : ('manifest' as const);
      const facts = { kind, digest: below, mediaType, platform };
      found.set(below, { ...facts, isAttestation: isAttestation(descriptor) });
    }
  };
  visit(openStoredIndex(repository, digest).index, 1);
  return [...found.values()];
}

/** True when another stored index names this one. */
export function isIndexNested(repository: Repository, digest: ContentDigest): boolean {
  return repository.refs
    .list('streams', INDEXES)
    .some(({ target, name }) => target === indexStreamName(digest) && !name.startsWith(digest));
}

/**
 * Removes a tag of an index. With the last one go the links that keep its images, so that composefs-rs frees them, too. False if there is
 * no such tag.
 * @throws FormatError REF_NAME_INVALID
 */
export function removeIndexTag(repository: Repository, name: string): boolean {
  const { tags, refs } = repository;
  const tag = tags.resolveIndex(name);
  if (tag === undefined) return false;
  const digest = tag.indexDigest;
  tags.remove(name);
  const isLast = tags.listIndexes().every((one) => one.indexDigest !== digest);
  if (!isLast || isIndexNested(repository, digest)) return true;
  for (const ref of refs.list('streams', `${INDEXES}/${digest}`)) {
    if (!isContentDigest(ref.name)) continue;
    refs.remove('streams', `${INDEXES}/${digest}/${ref.name}`);
  }
  refs.tidy('streams', `${INDEXES}/${digest}`);
  return true;
}
