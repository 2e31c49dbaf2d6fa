import { type ContentHasher, createHasherLike, type DiffId, type ObjectId } from '#base/digest';
import { IntegrityError, isOnecopyError } from '#base/errors';
import { detectCompression } from '#formats/oci';
import { CONTENT_TYPES } from '#formats/splitstream';
import { carryError, reviveError } from '#host';
import type { Repository } from '#stores/composefs';
import { storeDocument } from '#work/image';
import type { BatchPool, PendingFile } from './batch-pool.ts';
import type { BlobReader } from './blob.ts';
import { LargeObject } from './large-object.ts';
import { type EntryListener, type LayerCounts, LayerSplit } from './layer-split.ts';
import { unpack } from './unpack.ts';

/** What the import of layers and blobs needs. */
export interface ImportContext {
  readonly repository: Repository;
  readonly pool: BatchPool;
  readonly signal?: AbortSignal | undefined;
  readonly layerBytesMax?: number | undefined;
}

/** A layer whose objects and splitstream are stored, both digests verified; it has no name yet and nothing is synced. */
export interface ImportedLayer {
  readonly id: ObjectId;
  readonly counts: LayerCounts;
  /** Size of the tar. */
  readonly tarBytes: number;
  /** The blob as it was, when it was to be kept. */
  readonly blobId: ObjectId | undefined;
}

/**
 * Imports one tar layer: the blob is read once; its digest, the decompression, the diff id, the split, the hashes and writes of the
 * files all go on at the same time. A wrong blob is reported as such even when it first shows as a malformed tar.
 * @throws IntegrityError BLOB_DIGEST_MISMATCH, BLOB_SIZE_MISMATCH, DIFF_ID_MISMATCH; FormatError LAYER_*, TAR_*; HostError NO_SPACE;
 *   all with the layer as their context
 */
export async function importLayer(
  context: ImportContext,
  blob: BlobReader,
  layer: {
    readonly diffId: DiffId;
    readonly onEntry: EntryListener;
    readonly keepBlob: boolean;
  },
): Promise<ImportedLayer> {
  try {
    return await new LayerImport(context, blob, layer).run();
  } catch (error) {
    throw await explain(error, blob, context.signal);
  }
}

class LayerImport {
  readonly #context: ImportContext;
  readonly #blob: BlobReader;
  readonly #layer: { diffId: DiffId; onEntry: EntryListener; keepBlob: boolean };
  readonly #kept: LargeObject | undefined;

  constructor(
    context: ImportContext,
    blob: BlobReader,
    layer: { diffId: DiffId; onEntry: EntryListener; keepBlob: boolean },
  ) {
    this.#context = context;
    this.#blob = blob;
    this.#layer = layer;
    const { pool, repository } = context;
    this.#kept = layer.keepBlob ? new LargeObject(pool, repository.objects) : undefined;
  }

  async run(): Promise<ImportedLayer> {
    const { repository, pool } = this.#context;
    const { onEntry, diffId } = this.#layer;
    using split = new LayerSplit({ pool, objects: repository.objects, onEntry });
    const hasher = createHasherLike(diffId);
    const tarBytes = await this.#splitAll(split, hasher);
    await this.#blob.verify();
    verifyDiffId(diffId, hasher);
    const content = await split.finish();
    const id = repository.objects.ensureBytes(content).id;
    return { id, counts: split.counts, tarBytes, blobId: await this.#finishKept() };
  }

  async #splitAll(split: LayerSplit, hasher: ContentHasher): Promise<number> {
    const { signal, layerBytesMax } = this.#context;
    const { digest } = this.#blob.expected;
    const source = this.#keeping(this.#blob.pieces());
    const { head, rest } = await peek(source);
    const compression = detectCompression(head);
    let tarBytes = 0;
    const limits = { what: `layer ${digest}`, layerBytesMax };
    for await (const piece of unpack(rest, compression, limits)) {
      signal?.throwIfAborted();
      tarBytes += piece.length;
      hasher.update(piece);
      await split.push(piece);
    }
    return tarBytes;
  }

  /** The same pieces, each also written to the kept blob. */
  async *#keeping(pieces: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces) {
      if (this.#kept !== undefined) await appendWhenReady(this.#context.pool, this.#kept, piece);
      yield piece;
    }
  }

  async #finishKept(): Promise<ObjectId | undefined> {
    if (this.#kept === undefined) return undefined;
    return await finishBlob(this.#context, this.#kept);
  }
}

/**
 * Stores a blob as it is, in a stream of one external object. It has no name yet and nothing is synced.
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
    throw await explain(error, blob, context.signal);
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

/** The first piece, and everything with it once more. */
async function peek(source: AsyncGenerator<Uint8Array>) {
  const first = await source.next();
  const head = first.done === true ? new Uint8Array(0) : first.value;
  async function* rest(): AsyncGenerator<Uint8Array> {
    if (first.done !== true) yield head;
    yield* source;
  }
  return { head, rest: rest() };
}

function verifyDiffId(diffId: DiffId, hasher: ContentHasher): void {
  const found = hasher.finish();
  if ((found as string) === diffId) return;
  throw new IntegrityError(
    'DIFF_ID_MISMATCH',
    `Cannot accept layer: expected diff id ${diffId}, found ${found}`,
    { expected: diffId, found },
    { hint: 'Manifest and config do not belong together: the image was made or copied wrongly' },
  );
}

/** Damage of the blob overrules what it led to. Errors get the layer as context and keep class, code and exit status. */
async function explain(
  error: unknown,
  blob: BlobReader,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  if (signal?.aborted === true) return signal.reason;
  const cause = isOnecopyError(error) && error.kind === 'format' ? await blame(error, blob) : error;
  if (!isOnecopyError(cause)) return cause;
  const { digest } = blob.expected;
  const carried = carryError(cause);
  return reviveError({
    name: cause.name,
    message: `Cannot import layer ${digest}`,
    code: cause.code,
    details: { ...cause.details, layer: digest },
    cause: carried,
  });
}

/** The error that the blob does not match its digest, when it does not; else the error at hand. */
async function blame(error: unknown, blob: BlobReader): Promise<unknown> {
  try {
    await blob.verify();
    return error;
  } catch (damage) {
    return damage;
  }
}
