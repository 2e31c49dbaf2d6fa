import { FormatError } from '#base/errors';
import { safeNumber } from './checked.ts';

/**
 * A bounds-checked reader over untrusted bytes. A read past the end throws FormatError BYTES_OUT_OF_RANGE with the offset and `what` is
 * read. Integers are little-endian.
 */
export class ByteCursor {
  readonly bytes: Uint8Array;
  readonly what: string;
  offset: number;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, what: string, offset = 0) {
    this.bytes = bytes;
    this.what = what;
    this.offset = offset;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes left after the current offset. */
  get remaining(): number {
    return this.bytes.length - this.offset;
  }

  /** Moves past `length` bytes and returns the offset where they begin. */
  skip(length: number): number {
    const start = this.offset;
    if (!Number.isSafeInteger(length) || length < 0 || length > this.bytes.length - start) {
      throw new FormatError(
        'BYTES_OUT_OF_RANGE',
        `Cannot read ${this.what} at ${start}: expected ${length} bytes, found ${this.bytes.length - start}`,
        { offset: start, what: this.what, expected: length, found: this.bytes.length - start },
      );
    }
    this.offset = start + length;
    return start;
  }

  /** A view (no copy) of the next `length` bytes. */
  take(length: number): Uint8Array {
    const start = this.skip(length);
    return this.bytes.subarray(start, start + length);
  }

  u8(): number {
    return this.#view.getUint8(this.skip(1));
  }

  u16(): number {
    return this.#view.getUint16(this.skip(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.skip(4), true);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.skip(8), true);
  }

  i64(): bigint {
    return this.#view.getBigInt64(this.skip(8), true);
  }

  /** A 64-bit size or offset as an exact number; FormatError NUMBER_UNSAFE above 2^53 - 1. */
  size64(field: string): number {
    const offset = this.offset;
    return safeNumber(this.u64(), `${field} of ${this.what}`, offset);
  }
}
