import { ERRNO, hostError } from '../ffi/errno.ts';
import { lastErrno, SLAB, slab, sys } from '../ffi/ffi.ts';
import { type Descriptor, fdOf, labelOf } from '../ffi/name.ts';
import { cannotShare, type FileRange } from './reflink.ts';

/** ioctl number (Linux fs.h): _IOWR(0x94, 54, struct file_dedupe_range). */
const FIDEDUPERANGE = 0xc0189436;
/** Offsets in struct file_dedupe_range, followed by one struct file_dedupe_range_info; Linux fs.h. */
const DEDUPE = {
  sourceOffset: 0,
  sourceLength: 8,
  destinationCount: 16,
  reserved: 18,
  destinationFd: 24,
  destinationOffset: 32,
  dedupedBytes: 40,
  status: 48,
  reservedEnd: 52,
} as const;
/** Status of a destination whose bytes differ (FILE_DEDUPE_RANGE_DIFFERS); negative ones are errno. */
const DIFFERS = 1;
/** Largest range of one call: btrfs does no more at once (BTRFS_MAX_DEDUPE_LEN), and a call locks both files. */
const STEP_BYTES = 16 << 20;

/** What `dedupeRange` did. */
export interface Deduped {
  /** Bytes from the start of the range that share their extents now. */
  readonly sharedBytes: number;
  /** Why it ended: the whole range is shared, its bytes differ, or these files cannot share extents. */
  readonly outcome: 'shared' | 'differs' | 'unsupported';
}

/**
 * Makes a range of `to` share the extents of a range of `from`, if the bytes are equal: the kernel compares them with both files locked, so
 * content never changes. `to` may be open for reading if this user owns it. Offsets must be multiples of the filesystem's block size, and so
 * must the size, unless the range ends at the end of both files.
 * @throws HostError SYSCALL_FAILED, NO_SPACE
 */
export function dedupeRange(from: Descriptor, to: Descriptor, range: FileRange): Deduped {
  const { view, address } = slab();
  let sharedBytes = 0;
  while (sharedBytes < range.sizeBytes) {
    const step = Math.min(STEP_BYTES, range.sizeBytes - sharedBytes);
    const at = SLAB.struct;
    view.setBigUint64(at + DEDUPE.sourceOffset, BigInt(range.fromOffset + sharedBytes), true);
    view.setBigUint64(at + DEDUPE.sourceLength, BigInt(step), true);
    view.setUint16(at + DEDUPE.destinationCount, 1, true);
    view.setUint16(at + DEDUPE.reserved, 0, true);
    view.setUint32(at + DEDUPE.reserved + 2, 0, true);
    view.setBigInt64(at + DEDUPE.destinationFd, BigInt(fdOf(to)), true);
    view.setBigUint64(at + DEDUPE.destinationOffset, BigInt(range.toOffset + sharedBytes), true);
    view.setBigUint64(at + DEDUPE.dedupedBytes, 0n, true);
    view.setInt32(at + DEDUPE.status, 0, true);
    view.setUint32(at + DEDUPE.reservedEnd, 0, true);
    const failed = sys.ioctl(fdOf(from), FIDEDUPERANGE, address + at) !== 0;
    const status = failed ? -lastErrno() : view.getInt32(at + DEDUPE.status, true);
    if (status === DIFFERS) return { sharedBytes, outcome: 'differs' };
    if (status < 0) {
      if (cannotShare(-status)) return { sharedBytes, outcome: 'unsupported' };
      throw hostError(-status, 'ioctl FIDEDUPERANGE', labelOf(to));
    }
    const done = Number(view.getBigUint64(at + DEDUPE.dedupedBytes, true));
    // A range without a whole block: nothing is shared, and asking again would not end.
    if (done === 0) throw hostError(ERRNO.EINVAL, 'ioctl FIDEDUPERANGE', labelOf(to));
    sharedBytes += done;
  }
  return { sharedBytes, outcome: 'shared' };
}
