import { createGzip, createZstdCompress, constants as zlib } from 'node:zlib';
import type { ContentDigest, ObjectId } from '#base/digest';
import { createHasherLike, type DiffId } from '#base/digest';
import { drained, verifyDigest } from '#base/flow';
import type { Compression } from '#formats/oci';
import type { Repository } from '#stores/composefs';
import { readStream } from '#work/dump';

/** Bytes that are buffered before a write, so that small headers do not cost a system call each. */
const GATHER_BYTES = 1 << 20;
/** Level of both compressors; the output depends on zlib and libzstd of this Node. */
const GZIP_LEVEL = 6;
const ZSTD_LEVEL = 3;

/**
 * The tar of a stored layer in pieces of up to 1 MiB, rebuilt from its stream and objects, and verified against its diff id at the end. A
 * piece is overwritten by the next one.
 * @throws IntegrityError BLOB_DIGEST_MISMATCH if the rebuilt tar does not match the diff id, OBJECT_DIGEST_MISMATCH; NotFoundError
 * OBJECT_NOT_FOUND; FormatError of a bad splitstream
 */
export function* rebuildLayer(
  repository: Repository,
  id: ObjectId,
  expected: DiffId | ContentDigest,
): Generator<Uint8Array> {
  const hasher = createHasherLike(expected);
  for (const piece of gathered(readStream(repository, { id }))) {
    hasher.update(piece);
    yield piece;
  }
  verifyDigest(expected, hasher.finish());
}

/** Joins small pieces into large ones; passes large pieces unchanged. */
function* gathered(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(GATHER_BYTES);
  let filled = 0;
  for (const piece of pieces) {
    if (filled + piece.length > GATHER_BYTES) {
      yield buffer.subarray(0, filled);
      filled = 0;
    }
    if (piece.length > GATHER_BYTES / 2) {
      if (filled > 0) yield buffer.subarray(0, filled);
      filled = 0;
      yield piece;
    } else {
      buffer.set(piece, filled);
      filled += piece.length;
    }
  }
  if (filled > 0) yield buffer.subarray(0, filled);
}

/** Compresses pieces; the same pieces give the same bytes with the same Node. `none` passes them on. */
export async function* packed(
  pieces: Iterable<Uint8Array>,
  compression: Compression,
): AsyncGenerator<Uint8Array> {
  if (compression === 'none') {
    yield* pieces;
    return;
  }
  const stream =
    compression === 'gzip'
      ? createGzip({ level: GZIP_LEVEL, chunkSize: GATHER_BYTES })
      : createZstdCompress({
          params: { [zlib.ZSTD_c_compressionLevel]: ZSTD_LEVEL },
          chunkSize: GATHER_BYTES,
        });
  const feeding = feed(pieces, stream).catch((error: Error) => void stream.destroy(error));
  try {
    yield* stream as AsyncIterable<Uint8Array>;
  } finally {
    stream.destroy();
    await feeding;
  }
}

async function feed(
  pieces: Iterable<Uint8Array>,
  stream: ReturnType<typeof createGzip> | ReturnType<typeof createZstdCompress>,
): Promise<void> {
  for (const piece of pieces) {
    if (stream.destroyed) return;
    // Copied: the next piece overwrites this one while the compressor reads it.
    const isRoomy = stream.write(Uint8Array.prototype.slice.call(piece));
    if (!isRoomy) await drained(stream);
  }
  stream.end();
}
