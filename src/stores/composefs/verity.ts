import type { ObjectId } from '#base/digest';
import { type VerityAlgorithm, VerityHasher } from '#formats/fsverity';
import {
  type Descriptor,
  type Dir,
  enableVerityOrCopy,
  errorOfOutcome,
  measureVerity,
  readPieces,
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

/** The fs-verity digest of a file's content, computed in user space. @throws HostError SYSCALL_FAILED */
export function hashFile(file: Descriptor, algorithm: VerityAlgorithm): ObjectId {
  const hasher = new VerityHasher(algorithm);
  for (const piece of readPieces(file)) hasher.update(piece);
  return hasher.finish();
}
