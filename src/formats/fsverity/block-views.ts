import { VERITY_BLOCK_BYTES } from './layout.ts';

/** Largest buffer whose views are kept, in bytes: callers with much data reuse one buffer up to this size. */
const KEPT_BYTES_MAX = 4 << 20;

/**
 * Views of whole blocks. Creating a view costs about as much as all other work around the hash of a block, so the views of the last buffer
 * are kept: a reused buffer needs no new views, if its blocks are at multiples of the block size.
 */
export class BlockViews {
  #buffer: ArrayBufferLike | undefined;
  #kept: (Uint8Array | undefined)[] = [];

  /** Returns the view of the block of `bytes` at `start`. */
  at(bytes: Uint8Array, start: number): Uint8Array {
    const { buffer } = bytes;
    const offset = bytes.byteOffset + start;
    if (offset % VERITY_BLOCK_BYTES !== 0 || buffer.byteLength > KEPT_BYTES_MAX) {
      return new Uint8Array(buffer, offset, VERITY_BLOCK_BYTES);
    }
    if (this.#buffer !== buffer) {
      this.#buffer = buffer;
      this.#kept = Array.from({ length: Math.floor(buffer.byteLength / VERITY_BLOCK_BYTES) });
    }
    const index = offset / VERITY_BLOCK_BYTES;
    this.#kept[index] ??= new Uint8Array(buffer, offset, VERITY_BLOCK_BYTES);
    return this.#kept[index];
  }
}
