import type { RandomReader } from '#base/flow';
import { invalidImage } from './superblock.ts';

/** Bytes per read: an inode, a directory block and most xattrs fit in one such page. */
const PAGE_BYTES = 16 << 10;
/** Pages kept in memory: 4 MiB for any image size. */
const PAGES_MAX = 256;

/**
 * The bytes of an image, in memory or read page by page. `view` and `buffer` expose one piece at a time; `locate` selects it.
 * A piece is never overwritten, so views into it stay valid.
 */
export class ImageBytes {
  readonly sizeBytes: number;
  /** The piece that `locate` selected last. */
  view: DataView;
  buffer: Buffer;
  readonly #reader: RandomReader | undefined;
  /** Least recently used first. */
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
   * Selects a piece that holds the whole span; returns the span's offset in `view` and `buffer`.
   * @throws FormatError EROFS_INVALID when the span passes the end, or the file has been truncated
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

  /** Reads a u8. @throws as `locate`; so do `u16` and `u32` */
  u8(offset: number): number {
    const at = this.locate(offset, 1);
    return this.view.getUint8(at);
  }

  /** Reads a u16. */
  u16(offset: number): number {
    const at = this.locate(offset, 2);
    return this.view.getUint16(at, true);
  }

  /** Reads a u32. */
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
