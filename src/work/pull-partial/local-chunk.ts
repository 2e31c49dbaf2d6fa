import { computeContentDigest, createContentHasher } from '#base/digest';
import type { RandomReader } from '#base/flow';
import type { TocChunk } from '#formats/chunked';

/** Chunks up to this size, in bytes, are held in memory and verified before any byte is passed on. */
export const CHUNK_HELD_BYTES_MAX = 8 * 2 ** 20;
const PIECE_BYTES = 2 ** 20;

/**
 * The content of a chunk from a local source; undefined when the source has other bytes there. A long chunk is hashed first and then read again,
 * so that nothing unverified is passed on.
 */
export function readLocalChunk(
  reader: RandomReader,
  offset: number,
  { digest, sizeBytes }: TocChunk,
): Iterable<Uint8Array> | undefined {
  if (sizeBytes <= CHUNK_HELD_BYTES_MAX) {
    const [bytes] = piecesOf(reader, offset, sizeBytes, sizeBytes);
    const isRight = bytes?.length === sizeBytes && computeContentDigest(bytes) === digest;
    return isRight ? [bytes] : undefined;
  }
  const hasher = createContentHasher();
  for (const piece of piecesOf(reader, offset, sizeBytes, PIECE_BYTES)) hasher.update(piece);
  if (hasher.finish() !== digest) return undefined;
  return piecesOf(reader, offset, sizeBytes, PIECE_BYTES);
}

/** Bytes of a source, up to its end. */
function* piecesOf(
  reader: RandomReader,
  offset: number,
  sizeBytes: number,
  pieceBytes: number,
): Generator<Uint8Array> {
  for (let at = 0; at < sizeBytes; ) {
    const piece = new Uint8Array(Math.min(pieceBytes, sizeBytes - at));
    const filled = fill(reader, offset + at, piece);
    if (filled > 0) yield piece.subarray(0, filled);
    if (filled < piece.length) return;
    at += filled;
  }
}

/** Fills a piece; returns the number of bytes before the end of the source. */
export function fill(reader: RandomReader, offset: number, into: Uint8Array): number {
  let at = 0;
  while (at < into.length) {
    const count = reader.read(offset + at, into.subarray(at));
    if (count === 0) break;
    at += count;
  }
  return at;
}
