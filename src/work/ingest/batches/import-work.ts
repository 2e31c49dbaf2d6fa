import { type ByteString, byteStringOf, displayText } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { IntegrityError, UnsupportedError } from '#base/errors';
import { ALGORITHMS, hashBlocks } from '#formats/fsverity';
import {
  cloneFile,
  copyBytes,
  copyRange,
  type Descriptor,
  type HostFile,
  hasErrno,
  OPEN,
  openBeneath,
  readAhead,
  readAt,
  statFd,
} from '#host';
import type { StagedObject } from '#stores/composefs';
import { ROW, SHARING, SLOT, type SlotViews } from './batch-layout.ts';
import type { BatchTools } from './batch-work.ts';

/** Reflinks that were refused in a row in this thread, after which none is tried where copies are allowed. */
const REFUSALS_MAX = 3;
let refusals = 0;

/**
 * Imports the files of a slot: each is reflinked (else copied, where that is allowed) into a file of the repository's, and what is hashed and
 * named is the content of that file, not of the source. The bytes stay in the slot.
 * @throws IntegrityError TAR_SPLIT_CONTENT_MISMATCH for a file that is missing or has another size; UnsupportedError IMPORT_WOULD_COPY;
 *   HostError SYSCALL_FAILED, NO_SPACE
 */
export function importFiles(slot: SlotViews, tools: BatchTools): void {
  const { header, table, digests } = slot;
  const { writer, hash, verity } = tools;
  const count = header[SLOT.count] ?? 0;
  const staged: StagedObject[] = [];
  try {
    // All reads are asked for before the first is waited for: a reflink has nothing in memory.
    for (let index = 0; index < count; index += 1) {
      const object = writer.stage();
      staged.push(object);
      const row = index * ROW.words;
      const isShared = fill(slot, row, {
        fd: object.fd,
        sizeBytes: table[row + ROW.lengthBytes] ?? 0,
      });
      table[row + ROW.pathBytes] = isShared ? 1 : 0;
      readAhead(object.fd);
    }
    const files = staged.map((object, index) => readWhole(slot, index, object.fd));
    verity.compute(files, digests);
    const { digestBytes } = ALGORITHMS[hash.algorithm];
    for (const [index, object] of staged.entries()) {
      const at = index * digestBytes;
      const id = digests.toString('hex', at, at + digestBytes) as ObjectId;
      const { method } = object.publish(id);
      table[index * ROW.words + ROW.offset] = method === 'stored' ? 1 : 0;
    }
  } finally {
    for (const object of staged) object[Symbol.dispose]();
  }
}

function readWhole({ table, data }: SlotViews, index: number, fd: number): Uint8Array {
  const row = index * ROW.words;
  const offset = table[row + ROW.offset] ?? 0;
  const bytes = data.subarray(offset, offset + (table[row + ROW.lengthBytes] ?? 0));
  requireBytes(readAt(fd, bytes, 0), bytes.length);
  return bytes;
}

/** Puts the content of one large file into an open one. @throws as `importFiles` */
export function cloneLarge(slot: SlotViews): void {
  const { header, table } = slot;
  const sizeBytes = (header[SLOT.startBlock] ?? 0) * 4096 + (table[ROW.lengthBytes] ?? 0);
  table[ROW.pathBytes] = fill(slot, 0, { fd: header[SLOT.fd] ?? -1, sizeBytes }) ? 1 : 0;
}

/** Reads a part of an open file and hashes its blocks. @throws HostError SYSCALL_FAILED */
export function readSegment({ header, digests, data }: SlotViews, { hash }: BatchTools): void {
  const bytes = data.subarray(0, header[SLOT.lengthBytes]);
  const offset = (header[SLOT.startBlock] ?? 0) * 4096;
  requireBytes(readAt(header[SLOT.fd] ?? -1, bytes, offset), bytes.length);
  hashBlocks(bytes, hash, digests);
}

/** Reflinks or copies the file of a row; true when it was reflinked. */
function fill(
  { header, table, data }: SlotViews,
  row: number,
  { fd, sizeBytes }: { readonly fd: number; readonly sizeBytes: number },
): boolean {
  const pathAt = table[row + ROW.pathOffset] ?? 0;
  const path = byteStringOf(data.subarray(pathAt, pathAt + (table[row + ROW.pathBytes] ?? 0)));
  using source = openSource(header[SLOT.directoryFd] ?? -1, path, sizeBytes);
  const sharing = header[SLOT.sharing];
  const isTried =
    sharing === SHARING.always || (sharing === SHARING.auto && refusals < REFUSALS_MAX);
  if (isTried && cloneFile(source, fd)) {
    refusals = 0;
    requireSize(path, sizeBytes, statFd(fd).sizeBytes);
    return true;
  }
  if (isTried) refusals += 1;
  if (sharing === SHARING.always) throw wouldCopy(path);
  const copy = sharing === SHARING.never ? copyBytes : copyRange;
  const copied = copy(source, fd, { fromOffset: 0, toOffset: 0, sizeBytes });
  requireSize(path, sizeBytes, copied);
  return false;
}

function openSource(directoryFd: number, path: ByteString, sizeBytes: number): HostFile {
  const directory: Descriptor = { fd: directoryFd, label: 'layer' };
  let file: HostFile;
  try {
    file = openBeneath(directory, path, OPEN.read | OPEN.noFollow | OPEN.nonBlock, 'in-root');
  } catch (error) {
    const isMissing = (['ENOENT', 'ENOTDIR', 'ELOOP'] as const).some((errno) =>
      hasErrno(error, errno),
    );
    if (!isMissing) throw error;
    throw mismatch(path, `${sizeBytes} bytes`, 'no such file');
  }
  const stat = statFd(file);
  if (stat.type === 'file' && stat.sizeBytes === sizeBytes) return file;
  file[Symbol.dispose]();
  throw mismatch(path, `${sizeBytes} bytes`, `a ${stat.type} of ${stat.sizeBytes}`);
}

function requireSize(path: ByteString, expected: number, found: number): void {
  if (found !== expected) throw mismatch(path, `${expected} bytes`, `${found}`);
}

function requireBytes(found: number, expected: number): void {
  if (found !== expected) requireSize('' as ByteString, expected, found);
}

function mismatch(path: ByteString, expected: string, found: string): IntegrityError {
  const name = displayText(path);
  return new IntegrityError(
    'TAR_SPLIT_CONTENT_MISMATCH',
    `Cannot rebuild tar: content of ${JSON.stringify(name)}: expected ${expected}, found ${found}`,
    { expected, found, name },
  );
}

/** The error for a file that would have to be copied although it must not be. */
export function wouldCopy(path: string): UnsupportedError {
  return new UnsupportedError(
    'IMPORT_WOULD_COPY',
    `Cannot import "${displayText(path as ByteString)}" without copying: the filesystem of store and repository cannot share extents`,
    { reason: 'reflink' },
    {
      hint: 'Allow copies with --reflink auto, or put both on one filesystem that can share extents (XFS, btrfs)',
    },
  );
}
