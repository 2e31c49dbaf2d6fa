import { tmpdir } from 'node:os';
import { type ContentDigest, createContentHasher, type ObjectId } from '#base/digest';
import { NotFoundError } from '#base/errors';
import { CHUNKED_ANNOTATION } from '#formats/chunked';
import { type Compression, type Descriptor, ociLayerType, parseLayerType } from '#formats/oci';
import { createTmpFile, Dir, readAt, writeAll } from '#host';
import type { BlobToPush } from '#remotes/registry';
import type { Repository } from '#stores/composefs';
import { blobStreamName, type OciImage, type StoredLayer } from '#work/image';
import { packedChunked } from './chunked-blob.ts';
import { packed, rebuildLayer } from './layer-bytes.ts';

/** Pieces in which a blob is sent, in bytes. */
const PIECE_BYTES = 256 * 1024;

/** The only object in the body of the stream of a blob. @throws NotFoundError BLOB_NOT_FOUND if the body has another form */
export function wholeObjectOf(repository: Repository, streamId: ObjectId): ObjectId {
  using opened = repository.streams.open({ id: streamId });
  for (const part of opened.stream.parts()) {
    if (part.kind === 'external') return part.id;
  }
  throw new NotFoundError(
    'BLOB_NOT_FOUND',
    `Cannot export blob: expected an object in stream ${streamId}, found none`,
    { digest: streamId },
  );
}

/** A stored compressed blob. @throws as `wholeObjectOf` */
export function keptBlob(
  repository: Repository,
  digest: ContentDigest,
  streamId: ObjectId,
): BlobToPush {
  const id = wholeObjectOf(repository, streamId);
  using object = repository.objects.open(id);
  const { sizeBytes } = object;
  return {
    digest,
    sizeBytes,
    async *open(offset) {
      using content = repository.objects.open(id);
      yield* piecesFrom(offset, (at, into) => content.read(at, into));
    },
  };
}

/** An uncompressed blob, rebuilt from its stream and objects. */
export function plainBlob(
  repository: Repository,
  { id, digest }: StoredLayer,
  sizeBytes: number,
): BlobToPush {
  return {
    digest,
    sizeBytes,
    async *open(offset) {
      let left = offset;
      for (const piece of rebuildLayer(repository, id, digest)) {
        const skipped = Math.min(left, piece.length);
        left -= skipped;
        // Copied: the next piece overwrites this one while it is sent.
        if (skipped < piece.length) yield new Uint8Array(piece.subarray(skipped));
      }
    },
  };
}

/** Small bytes as a blob. */
export function bytesBlob(digest: ContentDigest, bytes: Uint8Array): BlobToPush {
  return {
    digest,
    sizeBytes: bytes.length,
    async *open(offset) {
      if (offset < bytes.length) yield bytes.subarray(offset);
    },
  };
}

/** A compression of layers, or zstd with a table of contents. */
export type Packing = Compression | 'zstd:chunked';

/** True for a layer whose blob is as a compression makes it. */
export function isPackedAs({ mediaType, annotations }: Descriptor, packing: Packing): boolean {
  const compression = parseLayerType(mediaType)?.compression;
  if (packing !== 'zstd:chunked') return compression === packing;
  return compression === 'zstd' && annotations.has(CHUNKED_ANNOTATION.tocDigest);
}

/** Media type of a layer that was compressed. */
export function packedType(packing: Packing): string {
  return ociLayerType(packing === 'zstd:chunked' ? 'zstd' : packing);
}

/** The sentence for a layer that has no table of contents although it was to have one. */
export function whyPlainText({ diffId }: Pick<StoredLayer, 'diffId'>, reason: string): string {
  return `layer ${diffId} has no table of contents: ${reason}`;
}

/** A layer that was compressed again. */
export interface RepackedBlob extends BlobToPush, Disposable {
  /** Annotations that its descriptor needs. */
  readonly annotations: ReadonlyMap<string, string> | undefined;
  /** Why a layer that was to have a table of contents has none. */
  readonly whyPlain: string | undefined;
}

/**
 * Compresses a layer again, into an unnamed file in the directory for temporary files, because a registry needs the digest first. Dispose
 * it after the push.
 * @throws as `rebuildLayer`; HostError NO_SPACE
 */
export async function repackedBlob(
  repository: Repository,
  layer: StoredLayer,
  packing: Packing,
): Promise<RepackedBlob> {
  using owned = new DisposableStack();
  const file = owned.use(createTmpFile(owned.use(Dir.open(tmpdir())), 0o600));
  const hasher = createContentHasher('sha256');
  let sizeBytes = 0;
  const pieces = rebuildLayer(repository, layer.id, layer.diffId ?? layer.digest);
  const bytes = packing === 'zstd:chunked' ? packedChunked(pieces) : packed(pieces, packing);
  let next = await bytes.next();
  for (; next.done !== true; next = await bytes.next()) {
    hasher.update(next.value);
    writeAll(file, next.value);
    sizeBytes += next.value.length;
  }
  const end = next.value ?? undefined;
  const digest = hasher.finish();
  const kept = owned.move();
  return {
    digest,
    sizeBytes,
    annotations: end?.kind === 'chunked' ? end.annotations : undefined,
    whyPlain: end?.kind === 'plain' ? end.message : undefined,
    open: (offset) => piecesFrom(offset, (at, into) => readAt(file, into, at)),
    [Symbol.dispose]: () => kept.dispose(),
  };
}

async function* piecesFrom(
  offset: number,
  read: (at: number, into: Uint8Array) => number,
): AsyncGenerator<Uint8Array> {
  for (let at = offset; ; ) {
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    const length = read(at, piece);
    if (length === 0) return;
    yield piece.subarray(0, length);
    at += length;
  }
}

/** The stream of a compressed blob: as the manifest refers to it, or by its name, where composefs-rs has written the manifest's stream anew. */
export function storedBlob(
  repository: Repository,
  { blobs }: Pick<OciImage, 'blobs'>,
  digest: ContentDigest,
): ObjectId | undefined {
  const id = blobs.get(digest) ?? repository.streams.idOf(blobStreamName(digest));
  return id !== undefined && repository.objects.has(id) ? id : undefined;
}
