import { concatBytes } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { FormatError } from '#base/errors';
import { PADDING_BYTES_MAX } from './layout.ts';
import { type SplitstreamFault, truncated } from './range.ts';
import type { SplitstreamPart } from './reader.ts';

/** Result of an exact read. Inline bytes are a copy. */
export type SplitstreamRecord =
  | { readonly kind: 'inline'; readonly bytes: Uint8Array }
  | { readonly kind: 'external'; readonly id: ObjectId };

/**
 * Reads a body record by record. A record must lie within one chunk.
 * Source: composefs-rs 0.9 splitstream reader (core formats section 3.5).
 */
export class SplitstreamRecords {
  readonly #parts: Iterator<SplitstreamPart>;
  #bytes: Uint8Array = new Uint8Array(0);
  #moreBytes = 0;
  #offset = 0;

  constructor(parts: Iterable<SplitstreamPart>) {
    this.#parts = parts[Symbol.iterator]();
  }

  /**
   * Reads exactly `length` inline bytes; undefined at the clean end of the stream. Length 0 consumes nothing.
   * @throws FormatError SPLITSTREAM_EXTERNAL_UNEXPECTED, SPLITSTREAM_RECORD_SPLIT
   */
  readInlineExact(length: number): Uint8Array | undefined {
    if (length === 0) return new Uint8Array(0);
    const next = this.#ready();
    if (next === undefined) return undefined;
    if (next !== 'inline') this.#unexpectedExternal(length);
    return this.#take(length);
  }

  /**
   * Reads a record of `sizeBytes`, stored in `storedBytes` (its size and padding): an object followed by inline padding, or inline bytes.
   * @throws FormatError SPLITSTREAM_TRUNCATED, SPLITSTREAM_EXTERNAL_UNEXPECTED, SPLITSTREAM_RECORD_SPLIT
   */
  readExact(sizeBytes: number, storedBytes: number): SplitstreamRecord {
    if (storedBytes === 0) return { kind: 'inline', bytes: new Uint8Array(0) };
    const next = this.#ready();
    if (next === undefined) throw truncated('record', this.#offset, storedBytes, 0);
    if (next === 'inline') {
      return { kind: 'inline', bytes: this.#take(storedBytes).subarray(0, sizeBytes) };
    }
    const padding = storedBytes - sizeBytes;
    if (padding < 0 || padding > PADDING_BYTES_MAX) {
      this.#fail('SPLITSTREAM_RECORD_SPLIT', `expected 0 to 512 padding bytes, found ${padding}`);
    }
    if (padding > 0 && this.readInlineExact(padding) === undefined) {
      throw truncated('padding', this.#offset, padding, 0);
    }
    return { kind: 'external', id: next };
  }

  /** Returns `inline` when inline bytes are available, an object id (consumed), or undefined at the end. */
  #ready(): 'inline' | ObjectId | undefined {
    if (this.#bytes.length + this.#moreBytes > 0) return 'inline';
    const { value, done } = this.#parts.next();
    if (done === true) return undefined;
    if (value.kind === 'external') return value.id;
    this.#bytes = value.bytes;
    this.#moreBytes = value.moreBytes;
    return 'inline';
  }

  #take(length: number): Uint8Array {
    const available = this.#bytes.length + this.#moreBytes;
    if (length > available) {
      const reason = `expected ${length} bytes in one chunk, found ${available}`;
      this.#fail('SPLITSTREAM_RECORD_SPLIT', reason);
    }
    const pieces: Uint8Array[] = [];
    let left = length;
    while (left > 0) {
      if (this.#bytes.length === 0) this.#nextPart();
      const piece = new Uint8Array(this.#bytes.subarray(0, left));
      this.#bytes = this.#bytes.subarray(piece.length);
      left -= piece.length;
      pieces.push(piece);
    }
    this.#offset += length;
    return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : concatBytes(pieces);
  }

  /** Reads more bytes of the current chunk; the decoder throws when the body ends inside it. */
  #nextPart(): void {
    const { value, done } = this.#parts.next();
    if (done === true || value.kind !== 'inline') {
      throw truncated('inline chunk', this.#offset, this.#moreBytes, 0);
    }
    this.#bytes = value.bytes;
    this.#moreBytes = value.moreBytes;
  }

  #unexpectedExternal(length: number): never {
    return this.#fail(
      'SPLITSTREAM_EXTERNAL_UNEXPECTED',
      `expected ${length} inline bytes, found an external object`,
    );
  }

  #fail(code: SplitstreamFault, reason: string): never {
    const offset = this.#offset;
    throw new FormatError(code, `Cannot read splitstream record at ${offset}: ${reason}`, {
      offset,
      what: 'record',
      reason,
    });
  }
}
