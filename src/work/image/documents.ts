import type { ContentDigest, ObjectId } from '#base/digest';
import type { VerityAlgorithm } from '#formats/fsverity';
import { CONTENT_TYPES, SplitstreamWriter } from '#formats/splitstream';
import type { Reading } from '#formats/tree';
import { hashContent } from '#host';
import type { Repository } from '#stores/composefs';
import { BOOT_SLOT_PREFIX, blobRefName, configRefName, STANDARD_READING_REF } from './names.ts';

/** Target of documents: a repository, or {@link hashOnly}. */
export interface DocumentStore {
  readonly algorithm: VerityAlgorithm;
  readonly objects: { ensureBytes(bytes: Uint8Array): { readonly id: ObjectId } };
}

/** Computes the ids of documents, and stores nothing. */
export function hashOnly({ algorithm }: Pick<Repository, 'algorithm'>): DocumentStore {
  return {
    algorithm,
    objects: { ensureBytes: (bytes) => ({ id: hashContent(bytes, algorithm) }) },
  };
}

/** Stream names and their ids, in the order of writing. */
type Refs = Iterable<readonly [name: string, id: ObjectId]>;

/**
 * Stores a stream whose body is one stored object, and returns its id. It gets no name: call `register`. Even the smallest document is an
 * object, so that a file with exactly its bytes exists.
 */
export async function storeDocument(
  store: DocumentStore,
  content: { readonly id: ObjectId; readonly sizeBytes: number },
  contentType: bigint,
  namedRefs: Refs = [],
): Promise<ObjectId> {
  using writer = new SplitstreamWriter({ algorithm: store.algorithm, contentType });
  for (const [name, id] of namedRefs) writer.addNamedRef(name, id);
  writer.writeExternal(content.id, content.sizeBytes);
  return store.objects.ensureBytes(await writer.finish()).id;
}

/** The references of a config stream. */
export interface ConfigRefs {
  /** Layer streams by diff id in the order of the config; for an artifact by layer digest in the order of the manifest. */
  readonly layers: Refs;
  /** EROFS images by slot. */
  readonly images?: ReadonlyMap<string, ObjectId>;
}

/** Stores a config and its stream, without a name; returns the id of the stream. */
export async function storeConfig(
  store: DocumentStore,
  bytes: Uint8Array,
  refs: ConfigRefs,
): Promise<ObjectId> {
  // Upstream adds boot images in the order of a hash map; sorting gives the same stream for the same images.
  const order = (slot: string) => (slot.startsWith(BOOT_SLOT_PREFIX) ? 1 : 0);
  const images = [...(refs.images ?? [])].sort(
    ([a], [b]) => order(a) - order(b) || (a < b ? -1 : 1),
  );
  const { id } = store.objects.ensureBytes(bytes);
  const content = { id, sizeBytes: bytes.length };
  return await storeDocument(store, content, CONTENT_TYPES.ociConfig, [...refs.layers, ...images]);
}

/** The references of a manifest stream. */
export interface ManifestRefs {
  readonly config: readonly [digest: ContentDigest, id: ObjectId];
  /** Layer streams by diff id in the order of the config; for an artifact by layer digest in the order of the manifest. */
  readonly layers: Refs;
  /** Stored compressed blobs. */
  readonly blobs?: ReadonlyMap<ContentDigest, ObjectId>;
  /** Reading of the EROFS images; composefs-rs has only one. */
  readonly reading?: Reading | undefined;
}

/** Stores a manifest and its stream, without a name; returns the id of the stream. */
export async function storeManifest(
  store: DocumentStore,
  bytes: Uint8Array,
  refs: ManifestRefs,
): Promise<ObjectId> {
  const [configDigest, configId] = refs.config;
  // Sorted, because blobs arrive in any order, and some may exist from an interrupted pull.
  const blobs = [...(refs.blobs ?? [])]
    .map(([digest, id]) => [blobRefName(digest), id] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const { id } = store.objects.ensureBytes(bytes);
  const content = { id, sizeBytes: bytes.length };
  return await storeDocument(store, content, CONTENT_TYPES.ociManifest, [
    [configRefName(configDigest), configId],
    ...refs.layers,
    ...blobs,
    ...(refs.reading === 'standard' ? [[STANDARD_READING_REF, configId] as const] : []),
  ]);
}
