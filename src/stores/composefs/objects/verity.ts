import type { ObjectId } from '#base/digest';
import type { Steps } from '#base/flow';
import type { VerityAlgorithm, VerityHasher } from '#formats/fsverity';
import {
  type Descriptor,
  type Dir,
  enableVerityOrCopy,
  errorOfOutcome,
  measureVerity,
  openVerityHasher,
  readAt,
  type TmpFile,
} from '#host';
import type { VerityPolicy } from '../repository/context.ts';

/**
 * Enables fs-verity on a file that is about to be published, by the policy, and returns the digest from the kernel; undefined if the file
 * has no fs-verity and the policy allows that.
 * @throws UnsupportedError FSVERITY_UNSUPPORTED, BusyError FILE_OPEN_FOR_WRITE when the policy is `require`
 */
export function protect(
  file: TmpFile,
  directory: Dir,
  algorithm: VerityAlgorithm,
  policy: VerityPolicy,
): ObjectId | undefined {
  if (policy === 'off') return undefined;
  file.seal();
  const { outcome } = enableVerityOrCopy(file, directory, algorithm);
  if (outcome === 'enabled' || outcome === 'already-enabled') return measureVerity(file, algorithm);
  if (policy === 'require') throw errorOfOutcome(outcome, file.label);
  return undefined;
}

/** Size of the pieces in which files are hashed, in bytes: a piece is still in the second-level cache when it is hashed. */
const PIECE_BYTES = 256 << 10;

/** Reused by every call in this thread: an allocation of this size for each of 50,000 small files costs more than hashing them. */
let piece: Buffer | undefined;
const hashers: Partial<Record<VerityAlgorithm, VerityHasher>> = {};

/** The fs-verity digest of a file's content, computed in user space. Memory is constant. @throws HostError SYSCALL_FAILED */
export function hashFile(file: Descriptor, algorithm: VerityAlgorithm): ObjectId {
  piece ??= Buffer.allocUnsafeSlow(PIECE_BYTES);
  hashers[algorithm] ??= openVerityHasher(algorithm);
  const hasher = hashers[algorithm];
  try {
    for (;;) {
      const count = readAt(file, piece, hasher.sizeBytes);
      hasher.update(new Uint8Array(piece.buffer, 0, count));
      if (count < PIECE_BYTES) return hasher.finish();
    }
  } catch (error) {
    // Bytes of this file must not affect the digest of the next file.
    hasher.finish();
    throw error;
  }
}

/** As `hashFile`, in steps, with a buffer of its own. */
export function* hashFileInSteps(file: Descriptor, algorithm: VerityAlgorithm): Steps<ObjectId> {
  const bytes = Buffer.allocUnsafeSlow(PIECE_BYTES);
  const hasher = openVerityHasher(algorithm);
  for (;;) {
    const count = readAt(file, bytes, hasher.sizeBytes);
    hasher.update(new Uint8Array(bytes.buffer, 0, count));
    if (count < PIECE_BYTES) return hasher.finish();
    yield;
  }
}
