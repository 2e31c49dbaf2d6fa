import type { ByteString } from '#base/bytes';
import { type ContentHasher, createHasherLike, type DiffId } from '#base/digest';
import type { TarEntry } from '#formats/tar';
import { TarReplay } from '#formats/tar';
import { TarSplitReader, type TarSplitRecord } from '#formats/tar-split';
import type { Reading } from '#formats/tree';
import { type HostFile, readPieces } from '#host';
import type { Batch, PendingFile } from './batches/batch.ts';
import { BATCH_BYTES, type ReflinkPolicy } from './batches/batch-layout.ts';
import { LargeImport } from './batches/large-import.ts';
import { HashQueue } from './hash-queue.ts';
import { explainLayer, type ImportContext, type ImportedLayer } from './layer.ts';
import { type EntryListener, LayerStream } from './layer-stream.ts';
import { tooLarge } from './read-split-layer.ts';
import { LAYER_BYTES_MAX } from './unpack/unpack.ts';
import { verifyDiffId } from './unpack/unpack-layer.ts';

/** A layer that is kept as a tar-split and files: what containers-storage has. */
export interface SplitLayer extends Disposable {
  /** The directory that paths of contents begin at. */
  readonly content: { readonly fd: number; readonly label: string };
  /** The tar-split, inflated, in pieces that may be overwritten by the next one. */
  tarSplit(): AsyncIterable<Uint8Array>;
  /** Where the content of a file of the tar is: below `content`, or at hand. */
  locate(
    name: ByteString,
  ):
    | { readonly kind: 'file'; readonly path: ByteString }
    | { readonly kind: 'bytes'; readonly bytes: Uint8Array };
  /** Opens a content below `content`. */
  open(path: ByteString, sizeBytes: number): HostFile;
  /** The error that says what became of the layer, where it is not what the failure says. */
  explain(error: unknown): unknown;
}

/** A layer to import from its files. */
export interface SplitLayerOrder {
  readonly diffId: DiffId;
  readonly layer: SplitLayer;
  readonly policy: ReflinkPolicy;
  readonly onEntry: EntryListener;
  readonly reading: Reading | undefined;
  readonly onAdvance: (tarBytes: number) => void;
  readonly layerBytesMax: number | undefined;
}

/** So many bytes wait to be hashed that no more are taken, in bytes: they wait for files before them. */
const WAITING_BYTES_MAX = 8 << 20;

/**
 * Imports a layer from its tar-split and its files. Large files become objects by reflink where policy and filesystems allow it; what is
 * hashed, for object id and diff id, is the content of those objects. The splitstream is the one that the layer's tar would give.
 * @throws IntegrityError DIFF_ID_MISMATCH, TAR_SPLIT_CONTENT_MISMATCH; FormatError TAR_SPLIT_INVALID, TAR_*, LAYER_TOO_LARGE;
 *   UnsupportedError IMPORT_WOULD_COPY; HostError NO_SPACE; what `explain` makes of them
 */
export async function importSplitLayer(
  context: ImportContext,
  order: SplitLayerOrder,
): Promise<ImportedLayer> {
  const { repository, pool, signal } = context;
  try {
    using stream = new LayerStream({ pool, repository, onEntry: order.onEntry });
    const replay = new SplitReplay(context, order, stream);
    const reader = new TarSplitReader();
    for await (const piece of order.layer.tarSplit()) {
      signal?.throwIfAborted();
      await replay.takeAll(reader.push(piece));
    }
    await replay.takeAll(reader.end());
    verifyDiffId(order.diffId, await replay.finish());
    const id = await stream.publish();
    return { id, counts: stream.counts, blobId: undefined };
  } catch (error) {
    throw explainLayer(order.layer.explain(error), order.diffId, signal);
  }
}

/** Brings the records of one tar-split to stream, hash and pool. */
class SplitReplay {
  readonly #context: ImportContext;
  readonly #order: SplitLayerOrder;
  readonly #stream: LayerStream;
  readonly #tar: TarReplay;
  readonly #hash: HashQueue;
  readonly #hasher: ContentHasher;
  #batch: Batch | undefined;
  #tarBytes = 0;
  readonly #onStored = (): void => {
    this.#hash.advance();
    this.#stream.advance();
  };

  constructor(context: ImportContext, order: SplitLayerOrder, stream: LayerStream) {
    this.#context = context;
    this.#order = order;
    this.#stream = stream;
    this.#hasher = createHasherLike(order.diffId);
    this.#hash = new HashQueue(this.#hasher, context.pool);
    this.#tar = new TarReplay((entry, bytes) => {
      this.#stream.entry(entry, { kind: 'inline', bytes });
    }, order.reading);
  }

  /** Takes records; waits where the pool is behind. */
  async takeAll(records: Iterable<TarSplitRecord>): Promise<void> {
    for (const record of records) {
      const waiting = this.#take(record);
      if (waiting !== undefined) await waiting;
    }
    this.#order.onAdvance(this.#tarBytes);
  }

  /** There are no more records; resolves to the diff id of the tar that they are. */
  async finish() {
    this.#tar.end();
    this.#submit();
    await this.#stream.drain();
    await this.#context.pool.until(() => this.#hash.isIdle);
    return this.#hasher.finish();
  }

  #take(record: TarSplitRecord): Promise<void> | undefined {
    if (record.kind === 'segment') {
      this.#count(record.bytes.length);
      this.#inline(record.bytes);
      return this.#stream.isFull || this.#hash.waitingBytes > WAITING_BYTES_MAX
        ? this.#settle()
        : undefined;
    }
    const { name, sizeBytes } = record;
    if (sizeBytes === 0) return undefined;
    this.#count(sizeBytes);
    const place = this.#order.layer.locate(name);
    const isExternal = this.#tar.awaited?.sizeBytes === sizeBytes;
    if (place.kind === 'bytes') this.#takeBytes(place.bytes, isExternal);
    else if (!isExternal) this.#takeInline(place.path, sizeBytes);
    else if (sizeBytes + place.path.length > BATCH_BYTES)
      return this.#takeLarge(place.path, sizeBytes);
    else return this.#takeFile(place.path, sizeBytes);
    return undefined;
  }

  #count(bytes: number): void {
    this.#tarBytes += bytes;
    const limit = this.#order.layerBytesMax ?? LAYER_BYTES_MAX;
    if (this.#tarBytes > limit) throw tooLarge(this.#order.diffId, limit);
  }

  #inline(bytes: Uint8Array): void {
    this.#stream.inline(bytes);
    this.#hash.bytes(bytes);
    this.#tar.push(bytes);
  }

  /** A content that stays in the stream, or is none of a file: read here. */
  #takeInline(path: ByteString, sizeBytes: number): void {
    using file = this.#order.layer.open(path, sizeBytes);
    for (const piece of readPieces(file)) this.#inline(Uint8Array.prototype.slice.call(piece));
  }

  #takeBytes(bytes: Uint8Array, isExternal: boolean): void {
    if (!isExternal) {
      this.#inline(bytes);
      return;
    }
    const { id, method } = this.#context.repository.objects.ensureBytes(bytes);
    const sizeBytes = bytes.length;
    this.#external({ id, sizeBytes, wasPresent: method === 'present', wasReflinked: false });
    this.#hash.bytes(bytes);
  }

  #takeFile(path: ByteString, sizeBytes: number): Promise<void> | undefined {
    if (this.#batch?.fitsImport(path, sizeBytes) === false) this.#submit();
    if (this.#batch === undefined) {
      const waiting = this.#context.pool.ready(1);
      if (waiting !== undefined) return waiting.then(() => this.#addFile(path, sizeBytes));
    }
    this.#addFile(path, sizeBytes);
    return undefined;
  }

  #addFile(path: ByteString, sizeBytes: number): void {
    if (this.#batch === undefined) {
      this.#batch = this.#context.pool.take();
      this.#batch.becomeImport(this.#order.layer.content.fd, this.#order.policy);
    }
    const file = this.#batch.addImport(path, sizeBytes);
    this.#hash.file(this.#batch, file);
    this.#external(file);
  }

  async #takeLarge(path: ByteString, sizeBytes: number): Promise<void> {
    this.#submit();
    const { pool, repository } = this.#context;
    const { policy, layer } = this.#order;
    const directoryFd = layer.content.fd;
    const source = { directoryFd, path, sizeBytes, policy };
    const large = new LargeImport(pool, repository.objects, source);
    const parts = this.#hash.large(sizeBytes);
    this.#external(large.file);
    await large.run((part) => parts.add(part));
    this.#stream.advance();
  }

  /** The content that the tar awaits is an object, or becomes one. */
  #external(file: PendingFile): void {
    const entry: TarEntry = this.#tar.passExternal();
    this.#stream.file(file);
    this.#stream.fileEntry(entry, file);
  }

  #submit(): void {
    const batch = this.#batch;
    this.#batch = undefined;
    if (batch !== undefined) this.#context.pool.submit(batch, this.#onStored);
  }

  async #settle(): Promise<void> {
    this.#submit();
    await this.#stream.drain();
    await this.#context.pool.until(() => this.#hash.isIdle);
  }
}
