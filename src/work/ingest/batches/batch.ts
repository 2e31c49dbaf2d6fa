import assert from 'node:assert';
import { type ByteString, roundUp } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { ALGORITHMS, type VerityAlgorithm } from '#formats/fsverity';
import {
  BATCH_BYTES,
  BATCH_FILES_MAX,
  FILE_ALIGNMENT,
  IMPORT_FILES_MAX,
  KIND,
  type ReflinkPolicy,
  ROW,
  SHARING,
  SLOT,
  type SlotViews,
  STATE,
} from './batch-layout.ts';

/** A file in a batch: its id and result are known when the batch is done. */
export interface PendingFile {
  id: ObjectId | undefined;
  sizeBytes: number;
  /** True if the repository already had it. */
  wasPresent: boolean;
  /** True when a new object shares extents with the file that it came from. */
  wasReflinked: boolean;
}

/** A file that lies elsewhere. */
export interface CloneSource {
  readonly directoryFd: number;
  readonly path: ByteString;
  readonly sizeBytes: number;
  readonly policy: ReflinkPolicy;
}

/** One slot while the splitter fills it and the writers work on it. */
export class Batch {
  readonly number: number;
  readonly slot: SlotViews;
  /** The files in it, in order. */
  readonly files: PendingFile[] = [];
  onDone: () => void = () => {};
  /** Of a clone that is done: it shares extents with its source. */
  isCloneReflinked = false;
  #usedBytes = 0;
  #kind: number = KIND.files;
  #digests: Uint8Array | undefined;
  /** Where the contents of imported files begin in the data. */
  readonly #offsets: number[] = [];

  constructor(number: number, slot: SlotViews) {
    this.number = number;
    this.slot = slot;
  }

  /** Makes it a segment of an open file, at an offset that is a multiple of 4096. */
  becomeSegment(fd: number, offset: number): void {
    this.#kind = KIND.segment;
    this.slot.header[SLOT.fd] = fd;
    this.slot.header[SLOT.startBlock] = offset / 4096;
  }

  /** Makes it files that lie below a directory and become objects. Its data is held until the pool gets it back. */
  becomeImport(directoryFd: number, policy: ReflinkPolicy): void {
    this.#kind = KIND.imports;
    this.#setSource(directoryFd, policy);
  }

  /** Makes it the content of one file below a directory, for an open file. */
  becomeClone(fd: number, source: CloneSource): void {
    this.#kind = KIND.clone;
    this.slot.header[SLOT.fd] = fd;
    this.#setSource(source.directoryFd, source.policy);
    this.#putPath(0, source.path);
    this.slot.header[SLOT.startBlock] = Math.floor(source.sizeBytes / 4096);
    this.slot.table[ROW.lengthBytes] = source.sizeBytes % 4096;
  }

  /** Makes it a part of an open file that is read, at an offset that is a multiple of 4096. Its data is held, too. */
  becomeReading(fd: number, offset: number, sizeBytes: number): void {
    this.becomeSegment(fd, offset);
    this.#kind = KIND.reading;
    this.#usedBytes = sizeBytes;
  }

  #setSource(directoryFd: number, policy: ReflinkPolicy): void {
    this.slot.header[SLOT.directoryFd] = directoryFd;
    this.slot.header[SLOT.sharing] = SHARING[policy];
  }

  /** Its data is wanted when it is done. */
  get isHeld(): boolean {
    return this.#kind === KIND.imports || this.#kind === KIND.reading;
  }

  /** The bytes of an imported file, or of the part that was read; valid until the pool gets the batch back. */
  contentOf(index: number): Uint8Array {
    if (this.#kind === KIND.reading) return this.slot.data.subarray(0, this.#usedBytes);
    const offset = this.#offsets[index] ?? 0;
    return this.slot.data.subarray(offset, offset + (this.files[index]?.sizeBytes ?? 0));
  }

  /** True when a file of this size and path can still be imported with the others. */
  fitsImport(path: ByteString, sizeBytes: number): boolean {
    const room = this.#nextOffset + sizeBytes + path.length;
    return this.files.length < IMPORT_FILES_MAX && room <= BATCH_BYTES;
  }

  /** Adds a file to import. */
  addImport(path: ByteString, sizeBytes: number): PendingFile {
    const at = this.#nextOffset;
    const row = this.files.length * ROW.words;
    this.slot.table[row + ROW.offset] = at;
    this.slot.table[row + ROW.lengthBytes] = sizeBytes;
    this.#offsets.push(at);
    this.#usedBytes = at + sizeBytes;
    this.#putPath(row, path);
    const file = { id: undefined, sizeBytes, wasPresent: false, wasReflinked: false };
    this.files.push(file);
    return file;
  }

  #putPath(row: number, path: ByteString): void {
    this.slot.table[row + ROW.pathOffset] = this.#usedBytes;
    this.slot.table[row + ROW.pathBytes] = path.length;
    this.slot.data.write(path, this.#usedBytes, 'latin1');
    this.#usedBytes += path.length;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** True if a file of this size fits. */
  fits(sizeBytes: number): boolean {
    return this.files.length < BATCH_FILES_MAX && this.#nextOffset + sizeBytes <= BATCH_BYTES;
  }

  get #nextOffset(): number {
    return roundUp(this.#usedBytes, FILE_ALIGNMENT);
  }

  /** Begins a file; exactly `sizeBytes` must then be appended. */
  begin(sizeBytes: number): PendingFile {
    this.#usedBytes = this.#nextOffset;
    const row = this.files.length * ROW.words;
    this.slot.table[row + ROW.offset] = this.#usedBytes;
    this.slot.table[row + ROW.lengthBytes] = sizeBytes;
    const file = { id: undefined, sizeBytes, wasPresent: false, wasReflinked: false };
    this.files.push(file);
    return file;
  }

  /** Copies bytes to the end of the data. */
  append(bytes: Uint8Array): void {
    this.slot.data.set(bytes, this.#usedBytes);
    this.#usedBytes += bytes.length;
  }

  /** Ends the current file. */
  end(): void {
    const row = (this.files.length - 1) * ROW.words;
    const { table } = this.slot;
    const end = (table[row + ROW.offset] ?? 0) + (table[row + ROW.lengthBytes] ?? 0);
    assert.equal(this.#usedBytes, end, 'a file in a batch has another size than announced');
  }

  /** Digests of the blocks of a completed segment. */
  get digests(): Uint8Array {
    assert(this.#digests !== undefined, 'the segment is not done');
    return this.#digests;
  }

  /** Writes the header; the slot then belongs to the writers. */
  seal(): void {
    const { header } = this.slot;
    if (this.#kind === KIND.files && this.files.length > 0) this.end();
    header[SLOT.kind] = this.#kind;
    header[SLOT.count] = this.files.length;
    header[SLOT.lengthBytes] = this.#usedBytes;
    Atomics.store(header, SLOT.state, STATE.queued);
  }

  /** Reads the results of the slot, which may then be reused. */
  collect(algorithm: VerityAlgorithm): void {
    const { digestBytes } = ALGORITHMS[algorithm];
    const { table, digests } = this.slot;
    if (this.#kind === KIND.segment || this.#kind === KIND.reading) {
      const bytes = Math.ceil(this.#usedBytes / 4096) * digestBytes;
      this.#digests = Uint8Array.prototype.slice.call(digests, 0, bytes);
    }
    for (const [index, file] of this.files.entries()) {
      const at = index * digestBytes;
      file.id = digests.toString('hex', at, at + digestBytes) as ObjectId;
      const row = index * ROW.words;
      file.wasPresent = table[row + ROW.offset] === 0;
      file.wasReflinked = this.#kind === KIND.imports && table[row + ROW.pathBytes] === 1;
    }
    if (this.#kind === KIND.clone) this.isCloneReflinked = table[ROW.pathBytes] === 1;
    Atomics.store(this.slot.header, SLOT.state, STATE.free);
  }
}
