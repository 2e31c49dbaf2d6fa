import type { RandomReader } from '#base/flow';
import { invalidImage } from './superblock.ts';

/** Bytes that are read at once: an inode, a block of a directory and most xattrs lie in one such page. */
const PAGE_BYTES = 16 << 10;
/** Pages that are kept: 4 MiB, whatever the image. */
const PAGES_MAX = 256;

/**
 * The bytes of an image, in memory or read page by page. One piece of them is shown at a time, by `view` and `buffer`;
 * `locate` chooses it. A piece is never written again, so what was taken from it stays true.
 */
export class ImageBytes {
  readonly sizeBytes: number;
  /** The piece that `locate` chose last. */
  view: DataView;
  buffer: Buffer;
  readonly #reader: RandomReader | undefined;
  /** The least recently used first. */
  readonly #pages = new Map<number, Buffer>();
  readonly #pageBytes: number;
  #start = 0;

  constructor(source: Uint8Array | RandomReader, pageBytes: number = PAGE_BYTES) {
    const isInMemory = source instanceof Uint8Array;
    this.sizeBytes = isInMemory ? source.length : source.sizeBytes;
    this.buffer = isInMemory
      ? Buffer.from(source.buffer, source.byteOffset, source.length)
      : Buffer.alloc(0);
    this.view = viewOf(this.buffer);
    this.#reader = isInMemory ? undefined : source;
    this.#pageBytes = pageBytes;
  }

  /**
   * Shows a span whole; returns where in `view` and `buffer` it begins.
   * @throws FormatError EROFS_INVALID when it passes the end, or the file has become shorter
   */
  locate(offset: number, length: number): number {
    const at = offset - this.#start;
    if (at >= 0 && at + length <= this.buffer.length) return at;
    if (offset < 0 || offset + length > this.sizeBytes || this.#reader === undefined) {
      throw invalidImage(offset, `${length} bytes`, 'pass the end');
    }
    const page = Math.floor(offset / this.#pageBytes);
    const isInOnePage = offset + length <= (page + 1) * this.#pageBytes;
    this.#start = isInOnePage ? page * this.#pageBytes : offset;
    this.buffer = isInOnePage ? this.#page(page) : this.#read(offset, length);
    this.view = viewOf(this.buffer);
    return offset - this.#start;
  }

  /** The byte at an offset. @throws as `locate`, as the others */
  u8(offset: number): number {
    const at = this.locate(offset, 1);
    return this.view.getUint8(at);
  }

  /** The number of two bytes at an offset. */
  u16(offset: number): number {
    const at = this.locate(offset, 2);
    return this.view.getUint16(at, true);
  }

  /** The number of four bytes at an offset. */
  u32(offset: number): number {
    const at = this.locate(offset, 4);
    return this.view.getUint32(at, true);
  }

  #page(page: number): Buffer {
    const start = page * this.#pageBytes;
    const kept = this.#pages.get(page);
    const bytes = kept ?? this.#read(start, Math.min(this.#pageBytes, this.sizeBytes - start));
    this.#pages.delete(page);
    this.#pages.set(page, bytes);
    if (this.#pages.size > PAGES_MAX) {
      for (const oldest of this.#pages.keys()) {
        this.#pages.delete(oldest);
        break;
      }
    }
    return bytes;
  }

  #read(offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafeSlow(length);
    for (let filled = 0; filled < length; ) {
      const count = this.#reader?.read(offset + filled, bytes.subarray(filled)) ?? 0;
      if (count === 0) throw invalidImage(offset + filled, `${length} bytes`, 'pass the end');
      filled += count;
    }
    return bytes;
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
