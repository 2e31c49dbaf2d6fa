import type { ObjectId } from '#base/digest';
import { CONTENT_TYPES, SplitstreamWriter } from '#formats/splitstream';
import {
  checkTarEntry,
  type SplitContent,
  type StoredContent,
  type TarEntry,
  type TarSink,
  TarSplitter,
} from '#formats/tar';
import type { Reading } from '#formats/tree';
import type { Repository } from '#stores/composefs';
import { expandSparse } from '#work/image';
import { BATCH_BYTES } from './batches/batch-layout.ts';
import type { Batch, BatchPool, PendingFile } from './batches/batch-pool.ts';
import { LargeObject } from './batches/large-object.ts';

/** Receives the entries of a layer in order, each as soon as its content is an object. */
export type EntryListener = (entry: TarEntry, content: StoredContent) => void;

/** What a layer came to. */
export interface LayerCounts {
  /** External files that are new objects, and their bytes. */
  storedObjects: number;
  storedBytes: number;
  /** External files whose object was there already, also from this very layer. */
  reusedObjects: number;
  reusedBytes: number;
  /** Bytes inside the splitstream. */
  inlinedBytes: number;
}

/** Counts a file that is an object now. */
export function countFile(counts: LayerCounts, { sizeBytes, wasPresent }: PendingFile): void {
  if (wasPresent) {
    counts.reusedObjects += 1;
    counts.reusedBytes += sizeBytes;
  } else {
    counts.storedObjects += 1;
    counts.storedBytes += sizeBytes;
  }
}

/** The tar is split in pieces of this size, in bytes, so that what one piece can need is known before. */
const STEP_BYTES = 256 << 10;
/** Most batches that one step takes: the batch at hand may not fit the next file, nor the one after it; one is for a large object. */
const BATCHES_PER_STEP = 4;
/** A batch is handed over, however empty, once this many inline bytes wait behind its first file. */
const WAITING_BYTES_PER_BATCH = 256 << 10;
/** Inline bytes that may wait for the id of a file before them, in bytes; then splitting pauses. */
const WAITING_BYTES_MAX = 8 << 20;

/** What waits for its turn in the stream. */
type Waiting =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'external'; readonly file: PendingFile }
  | { readonly kind: 'entry'; readonly entry: TarEntry; readonly content: SplitContent }
  | { readonly kind: 'file-entry'; readonly entry: TarEntry; readonly file: PendingFile };

/** Where a layer goes. */
export interface LayerSplitOptions {
  readonly pool: BatchPool;
  readonly repository: Repository;
  readonly onEntry: EntryListener;
  /** `standard` when absent. */
  readonly reading?: Reading | undefined;
}

/**
 * Splits one tar: files become objects through the pool, everything else goes into the splitstream, in the order of the tar. The
 * stream is exactly upstream's, in the reading `cfsctl` also for tars that it reads differently. Memory is the batches in the pool and what waits for them.
 */
export class LayerSplit implements TarSink, Disposable {
  readonly counts: LayerCounts = {
    storedObjects: 0,
    storedBytes: 0,
    reusedObjects: 0,
    reusedBytes: 0,
    inlinedBytes: 0,
  };
  readonly #pool: BatchPool;
  readonly #repository: Repository;
  readonly #onEntry: EntryListener;
  readonly #splitter: TarSplitter;
  readonly #writer: SplitstreamWriter;
  #waiting: Waiting[] = [];
  #next = 0;
  #waitingBytes = 0;
  /** Inline bytes that came while the batch at hand is open. */
  #batchWaitingBytes = 0;
  #batch: Batch | undefined;
  #large: LargeObject | undefined;
  /** The external file between its start and its entry. */
  #file: PendingFile | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor({ pool, repository, onEntry, reading }: LayerSplitOptions) {
    this.#splitter = new TarSplitter(reading);
    this.#pool = pool;
    this.#repository = repository;
    this.#onEntry = onEntry;
    const contentType = CONTENT_TYPES.ociLayer;
    this.#writer = new SplitstreamWriter({ algorithm: pool.algorithm, contentType });
  }

  /** Takes the next bytes of the tar. @throws FormatError TAR_* and of stacking; the failure of a writer */
  async push(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length; at += STEP_BYTES) {
      const waiting = this.#pool.ready(BATCHES_PER_STEP);
      if (waiting !== undefined) await waiting;
      this.#splitter.push(piece.subarray(at, at + STEP_BYTES), this);
      if (this.#waitingBytes > WAITING_BYTES_MAX && this.#file === undefined) await this.#drain();
      this.#throwFailure();
    }
  }

  /** The tar is complete: waits for its objects and returns the splitstream. @throws as `push` */
  async finish(): Promise<Uint8Array> {
    this.#splitter.end();
    await this.#drain();
    this.#throwFailure();
    return await this.#writer.finish();
  }

  inline(bytes: Uint8Array): void {
    this.counts.inlinedBytes += bytes.length;
    if (this.#isIdle()) {
      this.#writer.writeInline(bytes);
      return;
    }
    this.#waitingBytes += bytes.length;
    this.#batchWaitingBytes += bytes.length;
    const kept = Buffer.allocUnsafe(bytes.length);
    kept.set(bytes);
    this.#waiting.push({ kind: 'inline', bytes: kept });
  }

  externalStart(entry: TarEntry): void {
    if (entry.sizeBytes > BATCH_BYTES) {
      const large = new LargeObject(this.#pool, this.#repository.objects, () => this.#advance());
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
    if (this.#large !== undefined) this.#large.append(bytes);
    else this.#batch?.append(bytes);
  }

  externalEnd(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#waiting.push({ kind: 'external', file });
    const large = this.#large;
    this.#large = undefined;
    if (large !== undefined) large.end();
    else this.#batch?.end();
  }

  entry(entry: TarEntry, content: SplitContent): void {
    checkTarEntry(entry);
    if (content.kind === 'external' && this.#file !== undefined) {
      this.#waiting.push({ kind: 'file-entry', entry, file: this.#file });
      if (this.#file.id !== undefined) this.#advance();
      this.#file = undefined;
    } else if (this.#isIdle()) {
      this.#place(entry, content as StoredContent);
    } else {
      this.#waiting.push({ kind: 'entry', entry, content });
    }
  }

  /** Batches that are still running find a split that takes nothing any more. */
  [Symbol.dispose](): void {
    this.#failure ??= { error: new Error('the split was given up') };
    this.#writer[Symbol.dispose]();
  }

  #isIdle(): boolean {
    return this.#next === this.#waiting.length;
  }

  /** Hands the batch over; never while a file is being put into it. */
  #submit(): void {
    const batch = this.#batch;
    this.#batch = undefined;
    this.#batchWaitingBytes = 0;
    if (batch !== undefined) this.#pool.submit(batch, () => this.#advance());
  }

  /** Waits until nothing waits any more. */
  async #drain(): Promise<void> {
    this.#submit();
    this.#advance();
    await this.#pool.until(() => this.#isIdle() || this.#failure !== undefined);
  }

  /** Writes what has its turn; a failure is kept for the next `push` or `finish`, because writers call this too. */
  #advance(): void {
    if (this.#failure !== undefined) return;
    try {
      for (let item = this.#waiting[this.#next]; item !== undefined; ) {
        if (!this.#write(item)) break;
        this.#next += 1;
        item = this.#waiting[this.#next];
      }
    } catch (error) {
      this.#failure = { error };
    }
    if (this.#isIdle() || this.#next > 4096) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
  }

  #write(item: Waiting): boolean {
    if (item.kind === 'inline') {
      this.#writer.writeInline(item.bytes);
      this.#waitingBytes -= item.bytes.length;
    } else if (item.kind === 'entry') {
      this.#place(item.entry, item.content as StoredContent);
    } else {
      const { id, sizeBytes } = item.file;
      if (id === undefined) return false;
      if (item.kind === 'external') this.#writeExternal(id, item.file);
      else this.#place(item.entry, { kind: 'external', id, sizeBytes });
    }
    return true;
  }

  /** Says what the entry is in the filesystem. The expanded form of a sparse file lives as long as the stream. */
  #place(entry: TarEntry, content: StoredContent): void {
    if (entry.sparse === undefined) {
      this.#onEntry(entry, content);
      return;
    }
    const expanded = expandSparse(this.#repository, { entry, content });
    if (expanded.kind === 'external') this.#writer.addObjectRef(expanded.id);
    this.#onEntry(entry, expanded);
  }

  #writeExternal(id: ObjectId, file: PendingFile): void {
    this.#writer.writeExternal(id, file.sizeBytes);
    countFile(this.counts, file);
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
