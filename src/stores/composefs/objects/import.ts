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
 * How a file may come in. `auto`: reflink, else hard link (only where fs-verity then freezes the shared inode), else copy. `zerocopy`:
 * reflink, else hard link, else an error. The others allow one way only.
 */
export type ImportMode = 'auto' | 'zerocopy' | 'reflink' | 'hardlink' | 'copy';

/** How a file came in. `present`: the object was there already. */
export type ImportMethod = 'reflinked' | 'hardlinked' | 'copied' | 'present';

/** An imported object. */
export interface Imported {
  readonly id: ObjectId;
  readonly method: ImportMethod;
}

/** What an import works with. */
export interface ImportOptions {
  /** Size the file must have, in bytes. */
  readonly sizeBytes: number;
  readonly mode: ImportMode;
  readonly algorithm: VerityAlgorithm;
  readonly verity: VerityPolicy;
  readonly writer: ObjectWriter;
}

/** Refusals in a row after which a pair of devices is not tried again: one odd file must not spoil the rest. */
const REFLINK_REFUSALS_MAX = 3;

/** Reflinks refused in a row, by the pair of devices (source and repository), for the life of the process. */
const refusedReflinks = new Map<string, number>();

/**
 * Stores the content of an open file as an object.
 *
 * A hard link is never made in `auto` mode without fs-verity: the inode would stay writable through its other name, and the object could
 * silently change. Any reflink error that is not a real failure falls through to the next way.
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

/** Undefined when the kernel refuses; why is added to `refused`. */
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
