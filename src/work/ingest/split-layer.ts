import type { ByteString } from '#base/bytes';
import { type ContentHasher, createHasherLike, type DiffId } from '#base/digest';
import type { TarEntry } from '#formats/tar';
import { TarReplay } from '#formats/tar';
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

/** A file that has the content of a file of the tar. */
export interface SplitFile {
  /** The directory that the path begins at. */
  readonly directory: { readonly fd: number; readonly label: string };
  readonly path: ByteString;
  /** Never 0. */
  readonly sizeBytes: number;
}

/** What comes next in the tar: bytes of it, or the content of a file at hand or by its name. */
export type SplitPart =
  | { readonly kind: 'segment'; readonly bytes: Uint8Array }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | ({ readonly kind: 'file' } & SplitFile);

/** A layer that is kept as the structure of its tar and as files: what containers-storage has, and what other programs hand out. */
export interface SplitLayer extends Disposable {
  /** The parts of the tar in order, some at a time; they may be overwritten by the next ones. */
  parts(): AsyncIterable<Iterable<SplitPart>>;
  /** Opens a file of the parts. */
  open(file: SplitFile): HostFile;
  /** The error that says what became of the layer, where it is not what the failure says. */
  explain(error: unknown): unknown;
}

/** A layer to import from its files. */
export interface SplitLayerOrder {
  readonly diffId: DiffId;
  readonly layer: SplitLayer;
  /** `link`: a file that cannot be reflinked is hard-linked; nothing is copied. */
  readonly policy: ReflinkPolicy | 'link';
  /** Called for each object that is a hard link. */
  readonly onLinked?: (() => void) | undefined;
  readonly onEntry: EntryListener;
  readonly reading: Reading | undefined;
  readonly onAdvance: (tarBytes: number) => void;
  readonly layerBytesMax: number | undefined;
}

/** So many bytes wait to be hashed that no more are taken, in bytes: they wait for files before them. */
const WAITING_BYTES_MAX = 8 << 20;

/**
 * Imports a layer from the structure of its tar and its files. Large files become objects by reflink where policy and filesystems allow it; what is
 * hashed, for object id and diff id, is the content of those objects. The splitstream is the one that the layer's tar would give.
 * @throws IntegrityError DIFF_ID_MISMATCH, TAR_SPLIT_CONTENT_MISMATCH; FormatError TAR_SPLIT_INVALID, SPLIT_STREAM_INVALID, TAR_*, LAYER_TOO_LARGE;
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
    for await (const parts of order.layer.parts()) {
      signal?.throwIfAborted();
      await replay.takeAll(parts);
    }
    verifyDiffId(order.diffId, await replay.finish());
    const id = await stream.publish();
    return { id, counts: stream.counts, blobId: undefined };
  } catch (error) {
    throw explainLayer(order.layer.explain(error), order.diffId, signal);
  }
}

/** Brings the parts of one layer to stream, hash and pool. */
class SplitReplay {
  readonly #context: ImportContext;
  readonly #order: SplitLayerOrder;
  readonly #stream: LayerStream;
  readonly #tar: TarReplay;
  readonly #hash: HashQueue;
  readonly #hasher: ContentHasher;
  #batch: Batch | undefined;
  /** Directory of the files in the batch. */
  #directoryFd = -1;
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

  /** Takes parts; waits where the pool is behind. */
  async takeAll(parts: Iterable<SplitPart>): Promise<void> {
    for (const part of parts) {
      const waiting = this.#take(part);
      if (waiting !== undefined) await waiting;
    }
    this.#order.onAdvance(this.#tarBytes);
  }

  get #policy(): ReflinkPolicy {
    const { policy } = this.#order;
    return policy === 'link' ? 'always' : policy;
  }

  /** There are no more parts; resolves to the diff id of the tar that they are. */
  async finish() {
    this.#tar.end();
    this.#submit();
    await this.#stream.drain();
    await this.#context.pool.until(() => this.#hash.isIdle);
    return this.#hasher.finish();
  }

  #take(part: SplitPart): Promise<void> | undefined {
    if (part.kind === 'segment') {
      this.#count(part.bytes.length);
      this.#inline(part.bytes);
      return this.#stream.isFull || this.#hash.waitingBytes > WAITING_BYTES_MAX
        ? this.#settle()
        : undefined;
    }
    const sizeBytes = part.kind === 'bytes' ? part.bytes.length : part.sizeBytes;
    this.#count(sizeBytes);
    const isExternal = this.#tar.awaited?.sizeBytes === sizeBytes;
    if (part.kind === 'bytes') this.#takeBytes(part.bytes, isExternal);
    else if (!isExternal) this.#takeInline(part);
    else if (this.#order.policy === 'link') return this.#takeLinked(part);
    else if (sizeBytes + part.path.length > BATCH_BYTES) return this.#takeLarge(part);
    else return this.#takeFile(part);
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
  #takeInline(part: SplitFile): void {
    using file = this.#order.layer.open(part);
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

  /** Stores a file without copying it. What is hashed is the object. */
  async #takeLinked(part: SplitFile): Promise<void> {
    const { objects } = this.#context.repository;
    using file = this.#order.layer.open(part);
    const { sizeBytes } = part;
    const { id, method } = objects.importFile(file, sizeBytes, 'zerocopy');
    if (method === 'hardlinked') this.#order.onLinked?.();
    const wasReflinked = method === 'reflinked';
    this.#external({ id, sizeBytes, wasPresent: method === 'present', wasReflinked });
    using object = objects.openUnverified(id);
    for (const piece of readPieces(object)) {
      this.#hasher.update(piece);
      await new Promise(setImmediate);
    }
  }

  #takeFile(part: SplitFile): Promise<void> | undefined {
    const isOther = this.#directoryFd !== part.directory.fd;
    if (isOther || this.#batch?.fitsImport(part.path, part.sizeBytes) === false) this.#submit();
    if (this.#batch === undefined) {
      const waiting = this.#context.pool.ready(1);
      if (waiting !== undefined) return waiting.then(() => this.#addFile(part));
    }
    this.#addFile(part);
    return undefined;
  }

  #addFile({ directory, path, sizeBytes }: SplitFile): void {
    if (this.#batch === undefined) {
      this.#batch = this.#context.pool.take();
      this.#batch.becomeImport(directory.fd, this.#policy);
      this.#directoryFd = directory.fd;
    }
    const file = this.#batch.addImport(path, sizeBytes);
    this.#hash.file(this.#batch, file);
    this.#external(file);
  }

  async #takeLarge({ directory, path, sizeBytes }: SplitFile): Promise<void> {
    this.#submit();
    const { pool, repository } = this.#context;
    const policy = this.#policy;
    const source = { directoryFd: directory.fd, path, sizeBytes, policy };
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
