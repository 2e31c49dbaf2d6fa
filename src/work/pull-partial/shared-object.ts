import { roundUp } from '#base/bytes';
import type { RandomReader } from '#base/flow';
import { cloneRange, truncate, writeAt } from '#host';
import type { ObjectWriter, StagedObject } from '#stores/composefs';
import type { LocalReader } from './assemble.ts';
import type { FilePlan, FileSegment } from './segments.ts';

/** Size of the blocks to share, in bytes; in practice, all filesystems with reflinks use blocks of this size or smaller ones. */
const BLOCK_BYTES = 4096;
/** Minimum number of shared bytes that is worth an additional object beside the object of the layer. */
const SHARED_BYTES_MIN = 64 * 1024;

/** A run of bytes of a file, with its source. */
export interface SharedRun {
  readonly sourceOffset: number;
  readonly fileOffset: number;
  readonly sizeBytes: number;
}

/** True when enough of a new file can be shared: it has several sources, and blocks of one source align with blocks of the file. */
export function isWorthSharing<S>({ segments }: FilePlan<S>): boolean {
  if (segments.length < 2) return false;
  const shared = segments.reduce((sum, segment) => sum + sharedBytes(segment), 0);
  return shared >= SHARED_BYTES_MIN;
}

function sharedBytes<S>(segment: FileSegment<S>): number {
  if (segment.kind !== 'local') return 0;
  const { length } = blocksOf(segment);
  return length;
}

/** The whole blocks of a run, in the file. */
function blocksOf(run: SharedRun): { readonly start: number; readonly length: number } {
  const start = roundUp(run.fileOffset, BLOCK_BYTES);
  const end = run.fileOffset + run.sizeBytes;
  const isAligned = (run.fileOffset - run.sourceOffset) % BLOCK_BYTES === 0;
  const length = end - (end % BLOCK_BYTES) - start;
  return isAligned && length > 0 ? { start, length } : { start, length: 0 };
}

/**
 * An object that shares the extents of local content, written while the content of its file is passed on. Its id is measured from the file
 * itself, and the layer names its files by the bytes that were passed on. So the layer finds this object; if a source changed meanwhile, no layer
 * names it.
 */
export class SharedObject implements Disposable {
  readonly #staged: StagedObject;
  readonly #sizeBytes: number;
  #sharedBytes = 0;

  constructor(writer: ObjectWriter, sizeBytes: number) {
    this.#staged = writer.stage();
    this.#sizeBytes = sizeBytes;
  }

  /** Writes content at its offset. @throws HostError SYSCALL_FAILED, NO_SPACE */
  write(bytes: Uint8Array, fileOffset: number): void {
    writeAt(this.#staged.fd, bytes, fileOffset);
  }

  /**
   * Shares a run: its whole blocks by reflink, its ends by copy. Returns false, and shares nothing, when the filesystems cannot share extents.
   * @throws HostError SYSCALL_FAILED, NO_SPACE
   */
  share(reader: LocalReader, run: SharedRun): boolean {
    const { fd } = reader;
    if (fd === undefined) return false;
    const { start, length } = blocksOf(run);
    const end = run.fileOffset + run.sizeBytes;
    if (length === 0) {
      this.#copy(reader, run, run.fileOffset, end);
      return true;
    }
    const fromOffset = run.sourceOffset + start - run.fileOffset;
    const range = { fromOffset, toOffset: start, sizeBytes: length };
    if (!cloneRange(fd, this.#staged.fd, range)) return false;
    this.#sharedBytes += length;
    this.#copy(reader, run, run.fileOffset, start);
    this.#copy(reader, run, start + length, end);
    return true;
  }

  /** Stores the object, unless it shares nothing. Returns the number of shared bytes. @throws HostError SYSCALL_FAILED, NO_SPACE */
  publish(): number {
    if (this.#sharedBytes === 0) return 0;
    // Restores holes at the end, and cuts a last block that was cloned whole.
    truncate(this.#staged.fd, this.#sizeBytes);
    return this.#staged.publish().method === 'stored' ? this.#sharedBytes : 0;
  }

  #copy(reader: RandomReader, run: SharedRun, from: number, to: number): void {
    const bytes = new Uint8Array(Math.min(to - from, 2 ** 20));
    for (let at = from; at < to; ) {
      const piece = bytes.subarray(0, Math.min(bytes.length, to - at));
      const count = reader.read(run.sourceOffset + at - run.fileOffset, piece);
      if (count === 0) return;
      writeAt(this.#staged.fd, piece.subarray(0, count), at);
      at += count;
    }
  }

  [Symbol.dispose](): void {
    this.#staged[Symbol.dispose]();
  }
}
