import { TransportError } from '#base/errors';
import type { BlobPiece, ByteRange } from '#base/flow';

/** Ranges of a blob that are being fetched, read once from front to back. */
export class RemoteParts implements AsyncDisposable {
  readonly #iterator: AsyncIterator<BlobPiece>;
  #piece: BlobPiece | undefined;

  constructor(pieces: AsyncIterable<BlobPiece>) {
    this.#iterator = pieces[Symbol.asyncIterator]();
  }

  /**
   * The bytes of a range, in pieces; what lies before it is passed over.
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
    for (;;) {
      const piece = this.#piece;
      if (piece !== undefined) {
        if (piece.offset > offset) return failMissing(offset, piece.offset);
        if (offset < piece.offset + piece.bytes.length) return piece;
      }
      const next = await this.#iterator.next();
      if (next.done === true) return failMissing(offset, 'the end');
      this.#piece = next.value;
    }
  }

  /** Gives up what has not come. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#iterator.return?.();
  }
}

function failMissing(expected: number, found: number | string): never {
  throw new TransportError(
    'RANGE_MISMATCH',
    `Cannot fetch range of layer: expected the byte at ${expected}, found ${found}`,
    { url: '', expected, found, retryable: true },
  );
}
