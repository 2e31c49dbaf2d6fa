import type { ObjectId } from '#base/digest';
import { type VerityAlgorithm, VerityHasher } from '#formats/fsverity';
import {
  type Descriptor,
  type Dir,
  enableVerityOrCopy,
  errorOfOutcome,
  measureVerity,
  readAt,
  readSome,
  type TmpFile,
} from '#host';
import type { VerityPolicy } from './context.ts';

/**
 * Enables fs-verity on a file that is about to be published, as the policy says, and returns the digest that the kernel measured;
 * undefined when the file is not protected and the policy allows that.
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

/** Pieces in which files are hashed, in bytes: what was just read is still in the second-level cache when it is hashed. */
const PIECE_BYTES = 256 << 10;

/** Reused by every call in this thread: an allocation of this size for each of 50,000 small files costs more than hashing them. */
let piece: Buffer | undefined;
const hashers: { readonly [A in VerityAlgorithm]: VerityHasher } = {
  sha256: new VerityHasher('sha256'),
  sha512: new VerityHasher('sha512'),
};

/**
 * As `hashFile`, of a file that was just opened, with its size, in as few calls as can be: a read that comes back short is taken for the
 * end of the file. That is so unless the disk fails, and then the digest is wrong.
 * @throws HostError SYSCALL_FAILED
 */
export function hashUnread(fd: number, algorithm: VerityAlgorithm): Hashed {
  return hashPieces(algorithm, (into) => readSome(fd, into));
}

/** The fs-verity digest of a file's content, computed in user space. Memory is constant. @throws HostError SYSCALL_FAILED */
export function hashFile(file: Descriptor, algorithm: VerityAlgorithm): ObjectId {
  return hashPieces(algorithm, (into, offset) => readAt(file, into, offset)).id;
}

/** A digest, and the bytes that it is of. */
interface Hashed {
  readonly id: ObjectId;
  readonly sizeBytes: number;
}

/** Hashes what `read` gives until it does not fill the piece. */
function hashPieces(
  algorithm: VerityAlgorithm,
  read: (into: Buffer, offset: number) => number,
): Hashed {
  piece ??= Buffer.allocUnsafeSlow(PIECE_BYTES);
  const hasher = hashers[algorithm];
  let sizeBytes = 0;
  try {
    for (;;) {
      const count = read(piece, sizeBytes);
      hasher.update(new Uint8Array(piece.buffer, 0, count));
      sizeBytes += count;
      if (count < PIECE_BYTES) return { id: hasher.finish(), sizeBytes };
    }
  } catch (error) {
    // What was read so far must not get into the digest of the next file.
    hasher.finish();
    throw error;
  }
}
