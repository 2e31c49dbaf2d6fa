import { FormatError } from '#base/errors';

/** Initial size of the buffer, in bytes. */
const START_BYTES = 64 * 1024;

/**
 * The decoded bytes, in one buffer that grows up to a limit. The buffer is also the dictionary: matches copy from it.
 */
export class Output {
  bytes: Uint8Array = new Uint8Array(START_BYTES);
  length = 0;
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Reserves `count` more bytes; `bytes` may become another array.
   * @throws FormatError XZ_TOO_LARGE past the limit
   */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed > this.#maxBytes) {
      throw new FormatError(
        'XZ_TOO_LARGE',
        `Cannot decode xz: expected at most ${this.#maxBytes} bytes, found ${needed} or more`,
        { offset: 0, what: 'xz', expected: this.#maxBytes, found: needed },
      );
    }
    if (needed <= this.bytes.length) return;
    const larger = new Uint8Array(
      Math.min(this.#maxBytes, Math.max(needed, this.bytes.length * 2)),
    );
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }

  /** Returns a view of all bytes decoded so far. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}
