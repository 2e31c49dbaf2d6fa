import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { FormatError } from '#base/errors';
import { INLINE_RUN_BYTES_MAX } from './layout.ts';

/** Bytes of a run that are kept uncompressed; longer runs are compressed in memory. */
const PIECE_BYTES = 4 * 2 ** 20;
const FAST = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/**
 * Buffers a run of inline bytes until it ends, because the length of a run is written before its bytes. A layer of small files is a
 * single run: its headers are compressed in the buffer, to 1 % or less.
 */
export class InlineRun {
  readonly #packed: Uint8Array[] = [];
  #piece = new Uint8Array(4096);
  #pieceBytes = 0;
  /** Length so far, in bytes. */
  sizeBytes = 0;

  /** Appends bytes (copied). @throws FormatError SPLITSTREAM_INLINE_TOO_LARGE */
  append(bytes: Uint8Array): void {
    const wanted = this.sizeBytes + bytes.length;
    if (wanted > INLINE_RUN_BYTES_MAX) {
      throw new FormatError(
        'SPLITSTREAM_INLINE_TOO_LARGE',
        `Cannot write splitstream: expected at most ${INLINE_RUN_BYTES_MAX} inline bytes in a row, found ${wanted}`,
        { offset: this.sizeBytes, what: 'inline chunk', limit: INLINE_RUN_BYTES_MAX },
      );
    }
    this.sizeBytes = wanted;
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + PIECE_BYTES - this.#pieceBytes);
      this.#ensureRoom(this.#pieceBytes + part.length);
      this.#piece.set(part, this.#pieceBytes);
      this.#pieceBytes += part.length;
      at += part.length;
      if (this.#pieceBytes === PIECE_BYTES) this.#pack();
    }
  }

  /** Yields the bytes of the run in pieces; the next piece may overwrite the last. Afterwards the run is empty. */
  *take(): Generator<Uint8Array> {
    for (const packed of this.#packed.splice(0)) yield zstdDecompressSync(packed);
    if (this.#pieceBytes > 0) yield this.#piece.subarray(0, this.#pieceBytes);
    this.#pieceBytes = 0;
    this.sizeBytes = 0;
  }

  #pack(): void {
    this.#packed.push(zstdCompressSync(this.#piece, FAST));
    this.#pieceBytes = 0;
  }

  #ensureRoom(wanted: number): void {
    if (wanted <= this.#piece.length) return;
    const larger = new Uint8Array(Math.min(PIECE_BYTES, Math.max(wanted, this.#piece.length * 2)));
    larger.set(this.#piece.subarray(0, this.#pieceBytes));
    this.#piece = larger;
  }
}
