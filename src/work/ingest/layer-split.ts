import type { ObjectId } from '#base/digest';
import {
  checkTarEntry,
  type SplitContent,
  type StoredContent,
  type TarEntry,
  type TarSink,
  TarSplitter,
} from '#formats/tar';
import type { Reading } from '#formats/tree';
import type { ObjectStore } from '#stores/composefs';
import type { Batch, PendingFile } from './batches/batch.ts';
import { BATCH_BYTES } from './batches/batch-layout.ts';
import type { BatchPool } from './batches/batch-pool.ts';
import { LargeObject } from './batches/large-object.ts';
import type { LayerStream } from './layer-stream.ts';

/** The tar is split in pieces of this size, in bytes, so that the needs of one piece are bounded. */
const STEP_BYTES = 256 << 10;
/**
 * Largest number of batches for one step: the current batch and the next one may be too full for the next file; one is for a large object.
 */
const BATCHES_PER_STEP = 4;
/** A batch is submitted, even if it is not full, when this many inline bytes wait for its first file. */
const WAITING_BYTES_PER_BATCH = 256 << 10;

/** How a tar is split. */
export interface LayerSplitOptions {
  readonly pool: BatchPool;
  readonly objects: ObjectStore;
  /** `standard` when absent. */
  readonly reading?: Reading | undefined;
}

/**
 * Reads one tar into a layer stream: files become objects through the pool, everything else is inline, in the order of the tar. The stream
 * equals that of upstream, with the reading `cfsctl` also for tars that upstream reads differently. Memory is bounded by the batches of the
 * pool and the parts of the stream that wait for them.
 */
export class LayerSplit implements TarSink {
  readonly #stream: LayerStream;
  readonly #pool: BatchPool;
  readonly #objects: ObjectStore;
  readonly #splitter: TarSplitter;
  readonly #onStored = (): void => this.#stream.advance();
  /** Inline bytes since the start of the current batch. */
  #batchWaitingBytes = 0;
  #batch: Batch | undefined;
  #large: LargeObject | undefined;
  /** The external file between its start and its entry. */
  #file: PendingFile | undefined;
  /** A file whose content has not begun. */
  #awaited: TarEntry | undefined;

  constructor(stream: LayerStream, { pool, objects, reading }: LayerSplitOptions) {
    this.#stream = stream;
    this.#pool = pool;
    this.#objects = objects;
    this.#splitter = new TarSplitter(reading);
  }

  /** Processes the next bytes of the tar; undefined when nothing has to be waited for. @throws FormatError TAR_* and errors of merging; the error of a writer */
  push(piece: Uint8Array): Promise<void> | undefined {
    for (let at = 0; at < piece.length; at += STEP_BYTES) {
      const waiting = this.#pool.ready(BATCHES_PER_STEP);
      if (waiting !== undefined) return this.#pushAfter(waiting, piece.subarray(at));
      this.#splitter.push(piece.subarray(at, at + STEP_BYTES), this);
      const draining = this.#file === undefined ? this.drained() : undefined;
      if (draining !== undefined) return this.#pushAfter(draining, piece.subarray(at + STEP_BYTES));
    }
    return undefined;
  }

  async #pushAfter(waiting: Promise<void>, piece: Uint8Array): Promise<void> {
    await waiting;
    await this.push(piece);
  }

  /**
   * The content of the file whose header was pushed last is an object of the repository. False when it is too small to be one: then its
   * bytes are to be pushed. Wait for `drained` afterwards. @throws as `push`
   */
  place(id: ObjectId, sizeBytes: number): boolean {
    if (this.#awaited?.sizeBytes !== sizeBytes) return false;
    this.#awaited = undefined;
    const entry = this.#splitter.placeObject(id);
    checkTarEntry(entry);
    const file = { id, sizeBytes, wasPresent: true, wasReflinked: false };
    this.#stream.file(file);
    this.#stream.fileEntry(entry, file);
    return true;
  }

  /** What to wait for before more is pushed; undefined mostly. @throws as `push` */
  drained(): Promise<void> | undefined {
    this.#stream.throwFailure();
    return this.#stream.isFull ? this.#drain() : undefined;
  }

  /** The tar is complete: its last files go to the pool, and the stream can be published. @throws FormatError TAR_* */
  end(): void {
    this.#splitter.end();
    this.#submit();
  }

  inline(bytes: Uint8Array): void {
    if (!this.#stream.isIdle) this.#batchWaitingBytes += bytes.length;
    this.#stream.inline(bytes);
  }

  externalStart(entry: TarEntry): void {
    this.#awaited = entry;
  }

  #begin(entry: TarEntry): void {
    if (entry.sizeBytes > BATCH_BYTES) {
      const large = new LargeObject(this.#pool, this.#objects, this.#onStored);
      this.#large = large;
      this.#file = large.file;
      return;
    }
    const isFull = this.#batch?.fits(entry.sizeBytes) === false;
    if (isFull || this.#batchWaitingBytes > WAITING_BYTES_PER_BATCH) this.#submit();
    this.#batch ??= this.#pool.take();
    this.#file = this.#batch.begin(entry.sizeBytes);
  }

  externalData(bytes: Uint8Array): void {
    if (this.#awaited !== undefined) this.#begin(this.#awaited);
    this.#awaited = undefined;
    if (this.#large !== undefined) this.#large.append(bytes);
    else this.#batch?.append(bytes);
  }

  externalEnd(): void {
    if (this.#file === undefined) return;
    this.#stream.file(this.#file);
    const large = this.#large;
    this.#large = undefined;
    if (large !== undefined) large.end();
    else this.#batch?.end();
  }

  entry(entry: TarEntry, content: SplitContent): void {
    checkTarEntry(entry);
    if (content.kind === 'external' && this.#file !== undefined) {
      this.#stream.fileEntry(entry, this.#file);
      this.#file = undefined;
    } else {
      this.#stream.entry(entry, content as StoredContent);
    }
  }

  async #drain(): Promise<void> {
    this.#submit();
    await this.#stream.drain();
  }

  /** Hands the batch over; never while a file is being put into it. */
  #submit(): void {
    const batch = this.#batch;
    this.#batch = undefined;
    this.#batchWaitingBytes = 0;
    if (batch !== undefined) this.#pool.submit(batch, this.#onStored);
  }
}
