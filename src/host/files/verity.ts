import { encodeHex } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import {
  BusyError,
  ConflictError,
  IntegrityError,
  type OnecopyError,
  UnsupportedError,
} from '#base/errors';
import { ALGORITHMS, algorithmOfKernelId, type VerityAlgorithm } from '#formats/fsverity';
import { ERRNO, hostError } from '../ffi/errno.ts';
import { lastErrno, SLAB, slab, sys } from '../ffi/ffi.ts';
import { type Descriptor, fdOf, labelOf } from '../ffi/name.ts';
import { copyRange } from '../sharing/reflink.ts';
import type { Dir } from './dir.ts';
import { fchmod } from './file.ts';
import { statFd } from './stat.ts';
import { createTmpFile, type TmpFile } from './tmpfile.ts';

/** ioctl numbers (Linux fsverity.h): _IOW('f', 133, 128 bytes) and _IOWR('f', 134, 4 bytes). */
const FS_IOC_ENABLE_VERITY = 0x40806685;
const FS_IOC_MEASURE_VERITY = 0xc0046686;
/** Size and offsets of struct fsverity_enable_arg: version 1, hash, block size; no salt, no signature. */
const ENABLE = { sizeBytes: 128, version: 0, hash: 4, blockSize: 8 } as const;
/** Offsets of struct fsverity_digest: algorithm, capacity (in) or size (out), digest. */
const MEASURE = { algorithm: 0, size: 2, digest: 4, capacity: 64 } as const;
const BLOCK_BYTES = 4096;

/** Attempts to enable in total, and the pause between them (composefs core spec 1.5). */
const ENABLE_TRIES = 3;
const ENABLE_PAUSE_MS = 1;
/** Number of copies before giving up on a file that another process keeps open for writing. */
const COPY_TRIES = 8;

/** Results of enabling that callers handle. */
export type EnableOutcome = 'enabled' | 'already-enabled' | 'open-for-write' | 'unsupported';

/**
 * One attempt to enable fs-verity. `file` must be open read-only, and no process may have it open for writing or mapped writable. Results
 * that callers handle are values, because throwing for each of 50,000 objects costs more than the call.
 * @throws IntegrityError VERITY_SIGNATURE_REJECTED
 * @throws HostError SYSCALL_FAILED, NO_SPACE
 */
export function tryEnableVerity(file: Descriptor, algorithm: VerityAlgorithm): EnableOutcome {
  const memory = slab();
  memory.bytes.fill(0, SLAB.struct, SLAB.struct + ENABLE.sizeBytes);
  memory.view.setUint32(SLAB.struct + ENABLE.version, 1, true);
  memory.view.setUint32(SLAB.struct + ENABLE.hash, ALGORITHMS[algorithm].kernelId, true);
  memory.view.setUint32(SLAB.struct + ENABLE.blockSize, BLOCK_BYTES, true);
  if (sys.ioctl(fdOf(file), FS_IOC_ENABLE_VERITY, memory.address + SLAB.struct) === 0) {
    return 'enabled';
  }
  const errno = lastErrno();
  switch (errno) {
    case ERRNO.EEXIST:
      return 'already-enabled';
    case ERRNO.ETXTBSY:
      return 'open-for-write';
    case ERRNO.ENOTTY:
    case ERRNO.EOPNOTSUPP:
      return 'unsupported';
    case ERRNO.EKEYREJECTED:
      throw new IntegrityError(
        'VERITY_SIGNATURE_REJECTED',
        `Cannot enable fs-verity on "${labelOf(file)}": the kernel demands a valid signature`,
        { target: labelOf(file) },
      );
    default:
      throw hostError(errno, 'ioctl FS_IOC_ENABLE_VERITY', labelOf(file));
  }
}

/**
 * Enables fs-verity with up to three attempts, one millisecond apart, while the file is open for writing: a fork in another thread
 * may hold a copy of the writable descriptor until its exec.
 * @throws as `tryEnableVerity`
 */
export function enableVerityWithRetry(file: Descriptor, algorithm: VerityAlgorithm): EnableOutcome {
  for (let attempt = 1; ; attempt += 1) {
    const outcome = tryEnableVerity(file, algorithm);
    if (outcome !== 'open-for-write' || attempt === ENABLE_TRIES) return outcome;
    sleep(ENABLE_PAUSE_MS);
  }
}

/**
 * Enables fs-verity, with retry, or throws.
 * @throws UnsupportedError FSVERITY_UNSUPPORTED
 * @throws BusyError FILE_OPEN_FOR_WRITE
 * @throws ConflictError VERITY_ALREADY_ENABLED
 * @throws as `tryEnableVerity`
 */
export function enableVerity(file: Descriptor, algorithm: VerityAlgorithm): void {
  const outcome = enableVerityWithRetry(file, algorithm);
  if (outcome !== 'enabled') throw errorOfOutcome(outcome, labelOf(file));
}

/** The typed error for an outcome that the caller cannot accept. */
export function errorOfOutcome(
  outcome: Exclude<EnableOutcome, 'enabled'>,
  target: string,
): OnecopyError {
  switch (outcome) {
    case 'unsupported':
      return new UnsupportedError(
        'FSVERITY_UNSUPPORTED',
        `Cannot enable fs-verity on "${target}": the filesystem or kernel does not have it`,
        { target },
        { hint: 'Use ext4 (with the verity feature) or btrfs, or an insecure repository' },
      );
    case 'open-for-write':
      return new BusyError(
        'FILE_OPEN_FOR_WRITE',
        `Cannot enable fs-verity on "${target}": a process has the file open for writing`,
        { target },
      );
    case 'already-enabled':
      return new ConflictError(
        'VERITY_ALREADY_ENABLED',
        `Cannot enable fs-verity on "${target}": it is already enabled`,
        { target },
      );
  }
}

/** Result of `enableVerityOrCopy`: the outcome, and whether the file is now another inode. */
export interface EnableOrCopyResult {
  readonly outcome: EnableOutcome;
  /** True when `file` was replaced by a new copy. */
  readonly copied: boolean;
}

/**
 * Enables fs-verity on a sealed temporary file. If another process keeps it open for writing, copies the content to a new file until
 * enabling works, and replaces `file` by the copy, so that the published inode always has fs-verity. The mode is kept. No fsync. Source:
 * composefs core spec 1.5 (which sets no bound on the copies; here 8).
 * @throws as `tryEnableVerity`
 */
export function enableVerityOrCopy(
  file: TmpFile,
  directory: Dir,
  algorithm: VerityAlgorithm,
): EnableOrCopyResult {
  let outcome = enableVerityWithRetry(file, algorithm);
  if (outcome !== 'open-for-write') return { outcome, copied: false };
  const { mode, sizeBytes } = statFd(file);
  for (let attempt = 0; attempt < COPY_TRIES; attempt += 1) {
    using copy = createTmpFile(directory, 0o600);
    fchmod(copy, mode);
    copyRange(file, copy, { fromOffset: 0, toOffset: 0, sizeBytes });
    copy.seal();
    outcome = enableVerityWithRetry(copy, algorithm);
    if (outcome !== 'open-for-write') {
      file.replaceWith(copy);
      return { outcome, copied: true };
    }
  }
  return { outcome, copied: false };
}

/**
 * The fs-verity digest of a file from the kernel; undefined if the file has none or the filesystem does not support fs-verity.
 * @throws IntegrityError VERITY_ALGORITHM_MISMATCH when it is of another algorithm
 * @throws HostError SYSCALL_FAILED
 */
export function tryMeasureVerity(
  file: Descriptor,
  algorithm: VerityAlgorithm,
): ObjectId | undefined {
  const measured = measure(file, algorithm);
  return typeof measured === 'number' ? undefined : measured;
}

/**
 * As `tryMeasureVerity`, and reports whether the filesystem supports fs-verity: if not, callers need not ask for other files.
 * @throws as `tryMeasureVerity`
 */
export function probeVerity(
  file: Descriptor,
  algorithm: VerityAlgorithm,
): { readonly id: ObjectId } | 'none' | 'unsupported' {
  const measured = measure(file, algorithm);
  if (typeof measured !== 'number') return { id: measured };
  return measured === ERRNO.ENODATA ? 'none' : 'unsupported';
}

/**
 * The fs-verity digest of a file from the kernel.
 * @throws IntegrityError VERITY_NOT_ENABLED, VERITY_ALGORITHM_MISMATCH
 * @throws UnsupportedError FSVERITY_UNSUPPORTED
 * @throws HostError SYSCALL_FAILED
 */
export function measureVerity(file: Descriptor, algorithm: VerityAlgorithm): ObjectId {
  const measured = measure(file, algorithm);
  if (typeof measured !== 'number') return measured;
  const target = labelOf(file);
  if (measured === ERRNO.ENODATA) {
    throw new IntegrityError(
      'VERITY_NOT_ENABLED',
      `Cannot measure "${target}": fs-verity is not enabled on it`,
      { what: target },
    );
  }
  throw new UnsupportedError(
    'FSVERITY_UNSUPPORTED',
    `Cannot measure "${target}": the filesystem or kernel does not have fs-verity`,
    { target },
  );
}

/**
 * The digest from the kernel, or computed by `compute` if the kernel has none. `compute` reads the file and hashes it (see `computeVerity`
 * in formats/fsverity).
 * @throws as `tryMeasureVerity`
 */
export function measureVerityOr<F extends Descriptor>(
  file: F,
  algorithm: VerityAlgorithm,
  compute: (file: F) => ObjectId,
): ObjectId {
  return tryMeasureVerity(file, algorithm) ?? compute(file);
}

/** True when the kernel protects the file with fs-verity of this algorithm. @throws as `tryMeasureVerity` */
export function hasVerity(file: Descriptor, algorithm: VerityAlgorithm): boolean {
  return tryMeasureVerity(file, algorithm) !== undefined;
}

/**
 * Requires that the kernel protects exactly the content named by `expected`.
 * @throws IntegrityError OBJECT_DIGEST_MISMATCH with both digests
 * @throws as `measureVerity`
 */
export function verifyVerity(
  file: Descriptor,
  expected: ObjectId,
  algorithm: VerityAlgorithm,
): void {
  const found = measureVerity(file, algorithm);
  if (found === expected) return;
  throw new IntegrityError(
    'OBJECT_DIGEST_MISMATCH',
    `Cannot accept "${labelOf(file)}": expected fs-verity digest ${expected}, found ${found}`,
    { expected, found, target: labelOf(file) },
  );
}

/** The digest, or the errno if there is none: ENODATA (not enabled), EOPNOTSUPP (not supported). */
function measure(file: Descriptor, algorithm: VerityAlgorithm): ObjectId | number {
  const memory = slab();
  const { kernelId } = ALGORITHMS[algorithm];
  memory.view.setUint16(SLAB.struct + MEASURE.algorithm, kernelId, true);
  // Capacity for the largest digest, so that another algorithm is reported as such and not as EOVERFLOW.
  memory.view.setUint16(SLAB.struct + MEASURE.size, MEASURE.capacity, true);
  if (sys.ioctl(fdOf(file), FS_IOC_MEASURE_VERITY, memory.address + SLAB.struct) !== 0) {
    const errno = lastErrno();
    if (errno === ERRNO.ENODATA) return errno;
    if (errno === ERRNO.ENOTTY || errno === ERRNO.EOPNOTSUPP) return ERRNO.EOPNOTSUPP;
    throw hostError(errno, 'ioctl FS_IOC_MEASURE_VERITY', labelOf(file));
  }
  const found = memory.view.getUint16(SLAB.struct + MEASURE.algorithm, true);
  const size = memory.view.getUint16(SLAB.struct + MEASURE.size, true);
  if (found !== kernelId || size !== ALGORITHMS[algorithm].digestBytes) {
    const name = algorithmOfKernelId(found) ?? `algorithm ${found} of ${size} bytes`;
    throw new IntegrityError(
      'VERITY_ALGORITHM_MISMATCH',
      `Cannot accept "${labelOf(file)}": expected fs-verity with ${algorithm}, found ${name}`,
      { expected: algorithm, found: name, target: labelOf(file) },
    );
  }
  const start = SLAB.struct + MEASURE.digest;
  return encodeHex(memory.bytes.subarray(start, start + size)) as ObjectId;
}

/** Blocks this thread. */
function sleep(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
