import { TransportError } from '#base/errors';
import type { BlobPiece, ByteRange } from '#base/flow';

/** Maximum number of bytes that are held because they arrived early; a server that exceeds it gets another request. */
const HELD_BYTES_MAX = 32 * 2 ** 20;

/** Ranges of a blob that are being fetched, read once in ascending order. Parts that arrive early are held. */
export class RemoteParts implements AsyncDisposable {
  readonly #iterator: AsyncIterator<BlobPiece>;
  readonly #early: BlobPiece[] = [];
  #earlyBytes = 0;
  #piece: BlobPiece | undefined;

  constructor(pieces: AsyncIterable<BlobPiece>) {
    this.#iterator = pieces[Symbol.asyncIterator]();
  }

  /**
   * The bytes of a range, in pieces; earlier bytes that are no longer needed are skipped.
   * @throws TransportError RANGE_MISMATCH when the server left some of them out
   */
  async *take({ offset, length }: ByteRange): AsyncGenerator<Uint8Array> {
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const piece = await this.#pieceWith(at);
      const start = at - piece.offset;
      const bytes = piece.bytes.subarray(start, start + end - at);
      at += bytes.length;
      yield bytes;
    }
  }

  async #pieceWith(offset: number): Promise<BlobPiece> {
    const isAt = (piece: BlobPiece) =>
      piece.offset <= offset && offset < piece.offset + piece.bytes.length;
    for (;;) {
      const early = this.#early.find(isAt);
      if (early !== undefined) return early;
      const piece = this.#piece;
      if (piece !== undefined && isAt(piece)) return piece;
      if (piece !== undefined && piece.offset > offset) this.#hold(piece, offset);
      const next = await this.#iterator.next();
      this.#piece = next.done === true ? undefined : next.value;
      if (next.done === true) return failMissing(offset, 'the end');
      this.#release(offset);
    }
  }

  /** Holds a copy: the sender may reuse the piece. */
  #hold({ offset, bytes }: BlobPiece, wanted: number): void {
    this.#earlyBytes += bytes.length;
    if (this.#earlyBytes > HELD_BYTES_MAX) failMissing(wanted, `${offset}`);
    this.#early.push({ offset, bytes: Uint8Array.from(bytes) });
  }

  /** Drops bytes before the current offset: they are not read again. */
  #release(offset: number): void {
    for (let at = this.#early.length - 1; at >= 0; at -= 1) {
      const piece = this.#early[at];
      if (piece === undefined || piece.offset + piece.bytes.length > offset) continue;
      this.#earlyBytes -= piece.bytes.length;
      this.#early.splice(at, 1);
    }
  }

  /** Cancels what has not arrived. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#iterator.return?.();
  }
}

function failMissing(expected: number, found: string): never {
  throw new TransportError(
    'RANGE_MISMATCH',
    `Cannot fetch range of layer: expected the byte at ${expected}, found ${found}`,
    { url: '', expected, found, retryable: true },
  );
}
