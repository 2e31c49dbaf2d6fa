import type { ObjectId } from '#base/digest';
import { IntegrityError, isOnecopyError, UnsupportedError } from '#base/errors';
import type { VerityAlgorithm } from '#formats/fsverity';
import {
  cloneFile,
  copyRange,
  type Descriptor,
  enableVerityWithRetry,
  errorOfOutcome,
  measureVerity,
  OPEN,
  reopen,
  statFd,
  tryMeasureVerity,
} from '#host';
import type { VerityPolicy } from '../repository/context.ts';
import type { ObjectWriter, Published } from './object-writer.ts';
import { hashFile } from './verity.ts';

/**
 * How a file may be imported. `auto`: reflink, else hard link (only where fs-verity then freezes the shared inode), else copy. `zerocopy`:
 * reflink, else hard link, else an error. The others allow a single way.
 */
export type ImportMode = 'auto' | 'zerocopy' | 'reflink' | 'hardlink' | 'copy';

/** How a file was imported. `present`: the object already existed. */
export type ImportMethod = 'reflinked' | 'hardlinked' | 'copied' | 'present';

/** An imported object. */
export interface Imported {
  readonly id: ObjectId;
  readonly method: ImportMethod;
}

/** Options of an import. */
export interface ImportOptions {
  /** Size the file must have, in bytes. */
  readonly sizeBytes: number;
  readonly mode: ImportMode;
  readonly algorithm: VerityAlgorithm;
  readonly verity: VerityPolicy;
  readonly writer: ObjectWriter;
}

/** Consecutive refusals after which a pair of devices is not tried again, so that one unusual file does not disable reflinks. */
const REFLINK_REFUSALS_MAX = 3;

/** Consecutive refusals of reflinks by pair of devices (source and repository), for the life of the process. */
const refusedReflinks = new Map<string, number>();

/**
 * Stores the content of an open file as an object.
 *
 * Without fs-verity, `auto` mode never creates a hard link: the inode would remain writable through its other name, and the object could
 * change silently. If reflinks are not supported, the next way is tried.
 * @throws IntegrityError OBJECT_SIZE_MISMATCH; UnsupportedError IMPORT_WOULD_COPY; HostError SYSCALL_FAILED, NO_SPACE
 */
export function importFile(file: Descriptor, options: ImportOptions): Imported {
  const { mode } = options;
  const refused: unknown[] = [];
  if (mode !== 'copy' && mode !== 'hardlink') {
    const reflinked = importByReflink(file, options);
    if (reflinked !== undefined) return reflinked;
  }
  const mayLink = mode === 'hardlink' || mode === 'zerocopy';
  if (mayLink || (mode === 'auto' && options.verity === 'require')) {
    const linked = importByHardLink(file, options, refused);
    if (linked !== undefined) return linked;
  }
  if (mode === 'auto' || mode === 'copy') return importByCopy(file, options);
  throw new UnsupportedError(
    'IMPORT_WOULD_COPY',
    `Cannot import file without copying: the filesystem does not support mode ${mode}`,
    { reason: mode },
    {
      ...(refused[0] === undefined ? {} : { cause: refused[0] }),
      hint: 'Allow copies, or put both stores on one filesystem with reflinks (XFS or btrfs)',
    },
  );
}

function importByReflink(file: Descriptor, options: ImportOptions): Imported | undefined {
  using staged = options.writer.stage();
  const pair = `${statFd(file).dev}:${statFd(staged.fd).dev}`;
  const refusals = refusedReflinks.get(pair) ?? 0;
  if (refusals >= REFLINK_REFUSALS_MAX) return undefined;
  if (!cloneFile(file, staged.fd)) {
    refusedReflinks.set(pair, refusals + 1);
    return undefined;
  }
  refusedReflinks.delete(pair);
  checkSize(statFd(staged.fd).sizeBytes, options.sizeBytes);
  return asImported(staged.publish(), 'reflinked');
}

/** Undefined if the kernel refuses; the reason is added to `refused`. */
function importByHardLink(
  file: Descriptor,
  options: ImportOptions,
  refused: unknown[],
): Imported | undefined {
  const { algorithm, verity, writer } = options;
  try {
    using readable = reopen(file, OPEN.read);
    checkSize(statFd(readable).sizeBytes, options.sizeBytes);
    const outcome = verity === 'off' ? 'unsupported' : enableVerityWithRetry(readable, algorithm);
    const isProtected = outcome === 'enabled' || outcome === 'already-enabled';
    if (!isProtected && verity === 'require') throw errorOfOutcome(outcome, readable.label);
    const id = isProtected
      ? measureVerity(readable, algorithm)
      : (tryMeasureVerity(readable, algorithm) ?? hashFile(readable, algorithm));
    const method = writer.linkFile(readable.fd, id, options.sizeBytes);
    return asImported({ id, method }, 'hardlinked');
  } catch (error) {
    const isRefusal = isOnecopyError(error) && error.kind !== 'integrity';
    if (!isRefusal || error.code === 'NO_SPACE') throw error;
    refused.push(error);
    return undefined;
  }
}

function importByCopy(file: Descriptor, options: ImportOptions): Imported {
  using staged = options.writer.stage();
  const { sizeBytes } = options;
  const copied = copyRange(file, staged.fd, { fromOffset: 0, toOffset: 0, sizeBytes });
  checkSize(copied, sizeBytes);
  checkSize(statFd(file).sizeBytes, sizeBytes);
  return asImported(staged.publish(), 'copied');
}

function asImported(published: Published, method: ImportMethod): Imported {
  return { id: published.id, method: published.method === 'present' ? 'present' : method };
}

function checkSize(found: number, expected: number): void {
  if (found === expected) return;
  throw new IntegrityError(
    'OBJECT_SIZE_MISMATCH',
    `Cannot import file: expected ${expected} bytes, found ${found}`,
    { id: '', expected, found },
  );
}
