import { type ContentDigest, createHasherLike, type DiffId } from '#base/digest';
import { IntegrityError } from '#base/errors';
import type { Source } from './blob.ts';

/** Expected size and digest of a blob. */
export interface Expected {
  readonly digest: ContentDigest | DiffId;
  /** Size in bytes; omitted for an uncompressed layer, whose size no descriptor states. */
  readonly sizeBytes?: number;
}

/**
 * Passes on the bytes of a source, and throws at the end unless size and digest match. A source that is too long fails at the first excess
 * byte.
 * @throws IntegrityError BLOB_SIZE_MISMATCH, BLOB_DIGEST_MISMATCH
 */
export async function* verified(source: Source, expected: Expected): AsyncGenerator<Uint8Array> {
  const hasher = createHasherLike(expected.digest);
  let sizeBytes = 0;
  for await (const piece of source) {
    sizeBytes += piece.length;
    if (expected.sizeBytes !== undefined && sizeBytes > expected.sizeBytes) break;
    hasher.update(piece);
    yield piece;
  }
  verifySize(expected, sizeBytes);
  verifyDigest(expected.digest, hasher.finish());
}

/** @throws IntegrityError BLOB_SIZE_MISMATCH when a size is expected and differs */
export function verifySize(expected: Expected, sizeBytes: number): void {
  if (expected.sizeBytes === undefined || expected.sizeBytes === sizeBytes) return;
  throw new IntegrityError(
    'BLOB_SIZE_MISMATCH',
    `Cannot accept blob ${expected.digest}: expected ${expected.sizeBytes} bytes, found ${sizeBytes}`,
    { expected: expected.sizeBytes, found: sizeBytes, digest: expected.digest },
  );
}

/** @throws IntegrityError BLOB_DIGEST_MISMATCH when the digests differ */
export function verifyDigest(expected: ContentDigest | DiffId, found: ContentDigest): void {
  if ((expected as string) === found) return;
  throw new IntegrityError(
    'BLOB_DIGEST_MISMATCH',
    `Cannot accept blob: expected digest ${expected}, found ${found}`,
    { expected, found },
  );
}
