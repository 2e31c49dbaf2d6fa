import { type Dir, type HostFile, OPEN, readAt, statFd, truncate, writeAt } from '#host';

/** Size of the header of a record: magic, length of the bytes (u32), their offset in the blob (u64); all little-endian. */
const HEAD_BYTES = 16;
const MAGIC = 0x43_52_4f_31;
const RANGES_MODE = 0o600;
/** Maximum number of records that are read when a log is opened; bytes of later records are requested again. */
const RECORDS_MAX = 4_000_000;

/** A run of bytes of a blob, and its position in the log. */
interface Span {
  readonly start: number;
  readonly end: number;
  readonly position: number;
}

/** A part of a blob, in bytes. */
interface Range {
  readonly offset: number;
  readonly length: number;
}

/**
 * Ranges of a blob in order of arrival, one record after the other in a file of onecopy, so that an interrupted pull requests no byte twice. Each
 * record is stored when its write returns; an incomplete record at the end is removed. The bytes are not trusted: the reader verifies each range.
 */
export class RangeLog implements Disposable {
  readonly #file: HostFile;
  readonly #blobBytes: number;
  /** In ascending order, not adjacent. */
  readonly #spans: Span[] = [];
  #endPosition = 0;
  #heldBytes = 0;

  private constructor(file: HostFile, blobBytes: number) {
    this.#file = file;
    this.#blobBytes = blobBytes;
  }

  /** Opens or creates the log of a blob of this size. The caller holds the lock of the blob. @throws HostError SYSCALL_FAILED */
  static open(root: Dir, name: string, blobBytes: number): RangeLog {
    const flags = OPEN.readWrite | OPEN.create | OPEN.noFollow | OPEN.nonBlock;
    const log = new RangeLog(root.openFile(name, flags, RANGES_MODE), blobBytes);
    log.#replay();
    return log;
  }

  /** Number of stored bytes of the blob. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Appends bytes of the blob, without those that are already stored. @throws HostError SYSCALL_FAILED, NO_SPACE */
  append(offset: number, bytes: Uint8Array): void {
    for (const part of this.missing({ offset, length: bytes.length })) {
      const start = part.offset - offset;
      const record = Buffer.allocUnsafe(HEAD_BYTES + part.length);
      record.writeUInt32LE(MAGIC, 0);
      record.writeUInt32LE(part.length, 4);
      record.writeBigUInt64LE(BigInt(part.offset), 8);
      record.set(bytes.subarray(start, start + part.length), HEAD_BYTES);
      writeAt(this.#file, record, this.#endPosition);
      this.#add(part, this.#endPosition + HEAD_BYTES);
      this.#endPosition += record.length;
    }
  }

  /** Reads the bytes from `offset` on into `into`, up to the first gap; returns their number. @throws HostError SYSCALL_FAILED */
  read(offset: number, into: Uint8Array): number {
    let filled = 0;
    while (filled < into.length) {
      const at = offset + filled;
      const span = this.#spans[this.#firstAfter(at) - 1];
      if (span === undefined || at >= span.end) break;
      const room = into.subarray(filled, filled + span.end - at);
      const count = readAt(this.#file, room, span.position + at - span.start);
      if (count === 0) break;
      filled += count;
    }
    return filled;
  }

  /** The parts of a range that are not stored, in ascending order. */
  missing({ offset, length }: Range): Range[] {
    const end = offset + length;
    const parts: Range[] = [];
    let at = offset;
    for (let next = Math.max(this.#firstAfter(offset) - 1, 0); at < end; next += 1) {
      const span = this.#spans[next];
      if (span === undefined || span.start >= end) break;
      if (span.end <= at) continue;
      if (span.start > at) parts.push({ offset: at, length: span.start - at });
      at = span.end;
    }
    if (at < end) parts.push({ offset: at, length: end - at });
    return parts;
  }

  /** Drops the stored bytes of a range because they are wrong: they count as missing. */
  forget({ offset, length }: Range): void {
    const end = offset + length;
    for (let at = Math.max(this.#firstAfter(offset) - 1, 0); at < this.#spans.length; ) {
      const span = this.#spans[at] as Span;
      if (span.start >= end) return;
      const from = Math.max(span.start, offset);
      const to = Math.min(span.end, end);
      if (from >= to) {
        at += 1;
        continue;
      }
      const kept: Span[] = [];
      const { start, position } = span;
      if (start < from) kept.push({ start, end: from, position });
      if (to < span.end) kept.push({ start: to, end: span.end, position: position + to - start });
      this.#spans.splice(at, 1, ...kept);
      this.#heldBytes -= to - from;
      at += kept.length;
    }
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }

  /** Index of the first span that starts after `offset`. */
  #firstAfter(offset: number): number {
    let low = 0;
    let high = this.#spans.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#spans[middle] as Span).start <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #add({ offset, length }: Range, position: number): void {
    const at = this.#firstAfter(offset);
    const end = offset + length;
    this.#spans.splice(at, 0, { start: offset, end, position });
    this.#heldBytes += length;
  }

  #replay(): void {
    const { sizeBytes } = statFd(this.#file);
    const head = Buffer.alloc(HEAD_BYTES);
    for (let count = 0; count < RECORDS_MAX; count += 1) {
      const position = this.#endPosition;
      if (readAt(this.#file, head, position) < HEAD_BYTES) break;
      const length = Math.min(head.readUInt32LE(4), sizeBytes - position - HEAD_BYTES);
      const offset = Number(head.readBigUInt64LE(8));
      const isSound = head.readUInt32LE(0) === MAGIC && length > 0;
      if (!isSound || offset + length > this.#blobBytes) break;
      // A later record of the same bytes replaces an earlier one, which was wrong.
      this.forget({ offset, length });
      this.#add({ offset, length }, position + HEAD_BYTES);
      this.#endPosition = position + HEAD_BYTES + length;
    }
    // A torn record is removed: the next record starts at its position.
    if (this.#endPosition < sizeBytes) truncate(this.#file, this.#endPosition);
  }
}
