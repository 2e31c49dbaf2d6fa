import type { ObjectId } from '#base/digest';
import { CONTENT_TYPES, SplitstreamWriter } from '#formats/splitstream';
import type { StoredContent, TarEntry } from '#formats/tar';
import type { Repository } from '#stores/composefs';
import { expandSparse } from '#work/image';
import type { PendingFile } from './batches/batch.ts';
import type { BatchPool } from './batches/batch-pool.ts';

/** Receives the entries of a layer in order, each as soon as its content is stored. */
export type EntryListener = (entry: TarEntry, content: StoredContent) => void;

/** What a layer came to. */
export interface LayerCounts {
  /** External files that are new objects, and their bytes. */
  storedObjects: number;
  storedBytes: number;
  /** Those of the new objects that share extents with the file that they came from, and their bytes. */
  reflinkedObjects: number;
  reflinkedBytes: number;
  /** External files whose object already existed, possibly from the same layer. */
  reusedObjects: number;
  reusedBytes: number;
  /** Bytes inside the splitstream. */
  inlinedBytes: number;
}

/** Counts a stored file. */
export function countFile(
  counts: LayerCounts,
  { sizeBytes, wasPresent, wasReflinked }: PendingFile,
): void {
  if (wasPresent) {
    counts.reusedObjects += 1;
    counts.reusedBytes += sizeBytes;
  } else {
    counts.storedObjects += 1;
    counts.storedBytes += sizeBytes;
    counts.reflinkedObjects += wasReflinked ? 1 : 0;
    counts.reflinkedBytes += wasReflinked ? sizeBytes : 0;
  }
}

/** Limit of inline bytes that wait for the id of an earlier file. */
const WAITING_BYTES_MAX = 8 << 20;

/** A part that waits for its turn in the stream. */
type Waiting =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'file'; readonly file: PendingFile }
  | { readonly kind: 'entry'; readonly entry: TarEntry; readonly content: StoredContent }
  | { readonly kind: 'file-entry'; readonly entry: TarEntry; readonly file: PendingFile };

/** Where a layer goes. */
export interface LayerStreamOptions {
  readonly pool: BatchPool;
  readonly repository: Repository;
  readonly onEntry: EntryListener;
}

/**
 * Assembles the splitstream of one layer from its parts in the order of the tar, inline bytes, files that are stored or are being stored by
 * the pool, and their entries. A file may get its id after later parts have arrived; these wait in memory, and the producer checks `isFull`
 * where it can pause.
 */
export class LayerStream implements Disposable {
  readonly counts: LayerCounts = {
    storedObjects: 0,
    storedBytes: 0,
    reflinkedObjects: 0,
    reflinkedBytes: 0,
    reusedObjects: 0,
    reusedBytes: 0,
    inlinedBytes: 0,
  };
  readonly #pool: BatchPool;
  readonly #repository: Repository;
  readonly #onEntry: EntryListener;
  readonly #writer: SplitstreamWriter;
  #waiting: Waiting[] = [];
  #next = 0;
  #waitingBytes = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor({ pool, repository, onEntry }: LayerStreamOptions) {
    this.#pool = pool;
    this.#repository = repository;
    this.#onEntry = onEntry;
    const contentType = CONTENT_TYPES.ociLayer;
    this.#writer = new SplitstreamWriter({ algorithm: pool.algorithm, contentType });
  }

  /** True if no part waits. */
  get isIdle(): boolean {
    return this.#next === this.#waiting.length;
  }

  /** True if so much waits that the producer must call `drain` first. */
  get isFull(): boolean {
    return this.#waitingBytes > WAITING_BYTES_MAX;
  }

  /** The next bytes of the tar, which may be overwritten afterwards. */
  inline(bytes: Uint8Array): void {
    this.counts.inlinedBytes += bytes.length;
    if (this.isIdle) {
      this.#writer.writeInline(bytes);
      return;
    }
    this.#waitingBytes += bytes.length;
    const kept = Buffer.allocUnsafe(bytes.length);
    kept.set(bytes);
    this.#waiting.push({ kind: 'inline', bytes: kept });
  }

  /** The next bytes of the tar are the content of this object. If it has no id yet, the caller calls `advance` when it has one. */
  file(file: PendingFile): void {
    this.#waiting.push({ kind: 'file', file });
    if (file.id !== undefined) this.advance();
  }

  /** An entry whose content is known. */
  entry(entry: TarEntry, content: StoredContent): void {
    if (this.isIdle) this.#place(entry, content);
    else this.#waiting.push({ kind: 'entry', entry, content });
  }

  /** The entry whose content is an earlier file. */
  fileEntry(entry: TarEntry, file: PendingFile): void {
    this.#waiting.push({ kind: 'file-entry', entry, file });
    if (file.id !== undefined) this.advance();
  }

  /**
   * Writes the parts whose turn it is. An error is kept for `drain`, `publish` and `throwFailure`, because callbacks of the writers call
   * this.
   */
  advance(): void {
    if (this.#failure !== undefined) return;
    try {
      for (let part = this.#waiting[this.#next]; part !== undefined; ) {
        if (!this.#write(part)) break;
        this.#next += 1;
        part = this.#waiting[this.#next];
      }
    } catch (error) {
      this.#failure = { error };
    }
    if (this.isIdle || this.#next > 4096) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
  }

  /** Waits until no part waits; all files must be submitted. @throws the error of a writer, of merging, or of `onEntry` */
  async drain(): Promise<void> {
    this.advance();
    await this.#pool.until(() => this.isIdle || this.#failure !== undefined);
    this.throwFailure();
  }

  /** Ends the stream: waits for the files and stores the stream as an object without a name. @throws as `drain` */
  async publish(): Promise<ObjectId> {
    await this.drain();
    return this.#repository.objects.ensureBytes(await this.#writer.finish()).id;
  }

  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Running batches find a closed stream. */
  [Symbol.dispose](): void {
    this.#failure ??= { error: new Error('the stream was given up') };
    this.#writer[Symbol.dispose]();
  }

  #write(part: Waiting): boolean {
    if (part.kind === 'inline') {
      this.#writer.writeInline(part.bytes);
      this.#waitingBytes -= part.bytes.length;
    } else if (part.kind === 'entry') {
      this.#place(part.entry, part.content);
    } else {
      const { id, sizeBytes } = part.file;
      if (id === undefined) return false;
      if (part.kind === 'file') this.#writeFile(id, part.file);
      else this.#place(part.entry, { kind: 'external', id, sizeBytes });
    }
    return true;
  }

  #writeFile(id: ObjectId, file: PendingFile): void {
    this.#writer.writeExternal(id, file.sizeBytes);
    countFile(this.counts, file);
  }

  /** Converts the entry to its form in a filesystem. The expanded form of a sparse file lives as long as the stream. */
  #place(entry: TarEntry, content: StoredContent): void {
    if (entry.sparse === undefined) {
      this.#onEntry(entry, content);
      return;
    }
    const expanded = expandSparse(this.#repository, { entry, content });
    if (expanded.kind === 'external') this.#writer.addObjectRef(expanded.id);
    this.#onEntry(entry, expanded);
  }
}
