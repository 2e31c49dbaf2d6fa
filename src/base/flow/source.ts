/**
 * A pull of bytes: the consumer asks, so back-pressure is built in; an error is a throw; `finally` runs on early exit.
 * An array of Uint8Array is a source too. A piece may be reused by the producer after the next pull: copy to keep.
 */
export type Source = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Random access to bytes of known length. `read` fills `into` from `offset` and returns the bytes read (0 at the end). */
export interface RandomReader {
  readonly sizeBytes: number;
  read(offset: number, into: Uint8Array): number;
}

/** A RandomReader over bytes in memory. */
export function readerOf(bytes: Uint8Array): RandomReader {
  return {
    sizeBytes: bytes.length,
    read(offset, into) {
      const piece = bytes.subarray(offset, offset + into.length);
      into.set(piece);
      return piece.length;
    },
  };
}
