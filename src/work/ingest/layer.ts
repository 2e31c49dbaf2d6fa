import type { ContentDigest, DiffId, ObjectId } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import type { BlobContent } from '#base/flow';
import { CONTENT_TYPES } from '#formats/splitstream';
import type { Reading } from '#formats/tree';
import { carryError, reviveError } from '#host';
import type { Repository } from '#stores/composefs';
import { storeDocument } from '#work/image';
import type { PendingFile } from './batches/batch.ts';
import type { BatchPool } from './batches/batch-pool.ts';
import { LargeObject } from './batches/large-object.ts';
import { type BlobReader, sourceOf } from './blob.ts';
import { LayerSplit } from './layer-split.ts';
import { type EntryListener, type LayerCounts, LayerStream } from './layer-stream.ts';
import { unpackBlob } from './unpack/unpack-blob.ts';
import type { LayerExpectation } from './unpack/unpack-layer.ts';
import type { UnpackThread } from './unpack/unpack-thread.ts';

/** Context of the import of layers and blobs. */
export interface ImportContext {
  readonly repository: Repository;
  readonly pool: BatchPool;
  readonly signal?: AbortSignal | undefined;
}

/** A layer to import. */
export interface LayerOrder {
  readonly expected: LayerExpectation;
  readonly content: BlobContent;
  readonly onEntry: EntryListener;
  readonly reading: Reading | undefined;
  readonly onAdvance: (readBytes: number) => void;
  readonly keepBlob: boolean;
  /** Thread for decompression (default: this thread). */
  readonly thread: UnpackThread | undefined;
}

/** A layer whose objects and splitstream are stored, both digests verified; it has no name yet and nothing is synced. */
export interface ImportedLayer {
  readonly id: ObjectId;
  readonly counts: LayerCounts;
  /** The compressed blob, if it is kept. */
  readonly blobId: ObjectId | undefined;
}

/**
 * Imports one tar layer. The blob is read once; digest, decompression, diff id, split, and hashing and writing of files run concurrently.
 * @throws IntegrityError BLOB_DIGEST_MISMATCH, BLOB_SIZE_MISMATCH, DIFF_ID_MISMATCH; FormatError LAYER_*, TAR_*; HostError NO_SPACE;
 *   all with the layer as their context
 */
export async function importLayer(
  context: ImportContext,
  order: LayerOrder,
): Promise<ImportedLayer> {
  const { repository, pool, signal } = context;
  try {
    const kept = order.keepBlob ? new LargeObject(pool, repository.objects) : undefined;
    using stream = new LayerStream({ pool, repository, onEntry: order.onEntry });
    const { reading } = order;
    const split = new LayerSplit(stream, { pool, objects: repository.objects, reading });
    await unpackInto(split, context, order, kept);
    split.end();
    const id = await stream.publish();
    const blobId = kept === undefined ? undefined : await finishBlob(context, kept);
    return { id, counts: stream.counts, blobId };
  } catch (error) {
    throw explainLayer(error, order.expected.digest, signal);
  }
}

async function unpackInto(
  split: LayerSplit,
  { pool, signal }: ImportContext,
  order: LayerOrder,
  kept: LargeObject | undefined,
): Promise<void> {
  const { expected, content, onAdvance, thread } = order;
  const source = kept === undefined ? content : keeping(pool, content, kept);
  const onTar = async (piece: Uint8Array) => {
    signal?.throwIfAborted();
    await split.push(piece);
  };
  await unpackBlob(source, expected, { thread, onTar, onAdvance });
}

/** The bytes of a blob, each piece also appended to the kept object. */
async function* keeping(
  pool: BatchPool,
  content: BlobContent,
  kept: LargeObject,
): AsyncGenerator<Uint8Array> {
  for await (const piece of sourceOf(content)) {
    await appendWhenReady(pool, kept, piece);
    yield piece;
  }
}

/**
 * Stores a blob unchanged, in a stream with one external object. It has no name yet and nothing is synced.
 * @throws IntegrityError BLOB_DIGEST_MISMATCH, BLOB_SIZE_MISMATCH; HostError NO_SPACE
 */
export async function importBlob(
  context: ImportContext,
  blob: BlobReader,
): Promise<{ readonly id: ObjectId; readonly object: PendingFile }> {
  try {
    const { pool, repository, signal } = context;
    const object = new LargeObject(pool, repository.objects);
    for await (const piece of blob.pieces()) {
      signal?.throwIfAborted();
      await appendWhenReady(pool, object, piece);
    }
    await blob.verify();
    return { id: await finishBlob(context, object), object: object.file };
  } catch (error) {
    throw explainLayer(error, blob.expected.digest, context.signal);
  }
}

async function appendWhenReady(
  pool: BatchPool,
  object: LargeObject,
  bytes: Uint8Array,
): Promise<void> {
  const waiting = pool.ready(3);
  if (waiting !== undefined) await waiting;
  object.append(bytes);
}

async function finishBlob({ pool, repository }: ImportContext, object: LargeObject) {
  object.end();
  await pool.until(() => object.file.id !== undefined);
  const { id, sizeBytes } = object.file;
  if (id === undefined) throw new Error('unreachable');
  return await storeDocument(repository, { id, sizeBytes }, CONTENT_TYPES.ociBlob);
}

/** Adds the layer as context to errors; class, code and exit status are unchanged. */
export function explainLayer(
  error: unknown,
  digest: ContentDigest | DiffId,
  signal: AbortSignal | undefined,
): unknown {
  if (signal?.aborted === true) return signal.reason;
  if (!isOnecopyError(error)) return error;
  return reviveError({
    name: error.name,
    message: `Cannot import layer ${digest}`,
    code: error.code,
    details: { ...error.details, layer: digest },
    cause: carryError(error),
  });
}
