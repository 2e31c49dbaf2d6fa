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
