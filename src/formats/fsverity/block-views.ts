import { VERITY_BLOCK_BYTES } from './layout.ts';

/** Largest buffer whose views are kept, in bytes: whoever hashes much reads into one buffer of such a size, again and again. */
const KEPT_BYTES_MAX = 4 << 20;

/**
 * Views of whole blocks. Making one costs about as much as everything else around the hash of a block, so those of the last buffer
 * are kept: a buffer that is filled anew needs no new ones, as long as its blocks lie at multiples of the block size.
 */
export class BlockViews {
  #buffer: ArrayBufferLike | undefined;
  #kept: Uint8Array[] = [];
  #first = 0;

  /** Where in the result of the last `of` the first block is. */
  get first(): number {
    return this.#first;
  }

  /** The views of `count` blocks of `bytes` from `start`, beginning at index `first`. Valid until the next call. */
  of(bytes: Uint8Array, start: number, count: number): readonly Uint8Array[] {
    const { buffer } = bytes;
    const offset = bytes.byteOffset + start;
    if (buffer.byteLength > KEPT_BYTES_MAX || offset % VERITY_BLOCK_BYTES !== 0) {
      this.#first = 0;
      return makeViews(buffer, offset, count);
    }
    if (this.#buffer !== buffer) {
      this.#buffer = buffer;
      this.#kept = [];
    }
    this.#first = offset / VERITY_BLOCK_BYTES;
    for (let index = this.#kept.length; index < this.#first + count; index += 1) {
      this.#kept.push(viewOf(buffer, index * VERITY_BLOCK_BYTES));
    }
    return this.#kept;
  }
}

function makeViews(buffer: ArrayBufferLike, offset: number, count: number): Uint8Array[] {
  const views: Uint8Array[] = [];
  for (let index = 0; index < count; index += 1) {
    views.push(viewOf(buffer, offset + index * VERITY_BLOCK_BYTES));
  }
  return views;
}

function viewOf(buffer: ArrayBufferLike, offset: number): Uint8Array {
  return new Uint8Array(buffer, offset, VERITY_BLOCK_BYTES);
}
