import { FormatError } from '#base/errors';
import { type Dir, type FileStat, type HostFile, hasErrno, OPEN, readAll, statFd } from '#host';

/**
 * Opens a file of an untrusted repository: a pipe or a device in its place neither blocks nor is read. Symbolic links are followed unless
 * the flags disable that. Undefined if the file does not exist.
 * @throws FormatError OSTREE_FILE_TYPE_INVALID; HostError SYSCALL_FAILED
 */
function tryOpenRegular(root: Dir, path: string, flags: number = OPEN.read): HostFile | undefined {
  const file = tryOpen(root, path, flags);
  if (file === undefined) return undefined;
  const { type } = statFd(file);
  if (type === 'file') return file;
  file[Symbol.dispose]();
  throw wrongType(path, type);
}

/**
 * Reads a complete file, opened as in `tryOpenRegular`.
 * @throws as `tryOpenRegular`; FormatError OSTREE_METADATA_TOO_LARGE
 */
export function readRegular(root: Dir, path: string, limitBytes: number): Buffer | undefined {
  using file = tryOpenRegular(root, path);
  return file === undefined ? undefined : readWithin(file, path, limitBytes);
}

/** @throws FormatError OSTREE_METADATA_TOO_LARGE */
export function readWithin(file: HostFile, path: string, limitBytes: number): Buffer {
  try {
    return readAll(file, limitBytes);
  } catch (cause) {
    if (!hasErrno(cause, 'EFBIG')) throw cause;
    throw new FormatError(
      'OSTREE_METADATA_TOO_LARGE',
      `Cannot read "${path}": expected at most ${limitBytes} bytes, found more`,
      { offset: 0, what: path, expected: limitBytes },
      { cause },
    );
  }
}

/** The error for a file that is not a regular file. */
export function wrongType(path: string, found: FileStat['type']): FormatError {
  return new FormatError(
    'OSTREE_FILE_TYPE_INVALID',
    `Cannot read "${path}": expected a regular file, found type ${found}`,
    { offset: 0, what: path, expected: 'file', found },
  );
}

function tryOpen(root: Dir, path: string, flags: number): HostFile | undefined {
  try {
    return root.tryOpenFile(path, flags | OPEN.nonBlock);
  } catch (error) {
    // Errors for a cycle of links, a link that may not be followed, a socket, and a file in place of a directory.
    if (hasErrno(error, 'ELOOP')) throw wrongType(path, 'symlink');
    if (hasErrno(error, 'ENXIO')) throw wrongType(path, 'socket');
    if (hasErrno(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}
