import { FormatError, NotFoundError } from '#base/errors';
import type { BlobRange } from '#base/flow';
import { Dir, type HostFile, hasErrno, OPEN, readAt, statFd } from '#host';

/** Files by name, in a directory or in an archive. Names come from code and validated digests only. */
export interface FileSet extends Disposable {
  /** Name in messages. */
  readonly label: string;
  /** The bytes of a file; undefined if it does not exist. The range is valid until the set is disposed. */
  find(name: string): BlobRange | undefined;
}

/** The files of a directory. Each is opened once and stays open. */
export class DirectoryFiles implements FileSet {
  readonly label: string;
  readonly #directory: Dir;
  readonly #open = new Map<string, { readonly file: HostFile; readonly range: BlobRange }>();

  /** Opens the directory. @throws NotFoundError IMAGE_SOURCE_NOT_FOUND, HostError SYSCALL_FAILED */
  constructor(path: string) {
    this.label = path;
    this.#directory = openOrExplain(path);
  }

  find(name: string): BlobRange | undefined {
    const known = this.#open.get(name);
    if (known !== undefined) return known.range;
    // Non-blocking: a fifo in place of a blob must not block the reader.
    const file = this.#directory.tryOpenFile(name, OPEN.read | OPEN.nonBlock);
    if (file === undefined) return undefined;
    const { type, sizeBytes } = statFd(file);
    if (type !== 'file') {
      file[Symbol.dispose]();
      throw new FormatError(
        'OCI_LAYOUT_INVALID',
        `Cannot read "${name}" of "${this.label}": expected a regular file, found ${type}`,
        { offset: 0, what: name },
      );
    }
    const range = { fd: file.fd, offsetBytes: 0, sizeBytes };
    this.#open.set(name, { file, range });
    return range;
  }

  [Symbol.dispose](): void {
    for (const { file } of this.#open.values()) file[Symbol.dispose]();
    this.#open.clear();
    this.#directory[Symbol.dispose]();
  }
}

function openOrExplain(path: string): Dir {
  try {
    return Dir.open(path);
  } catch (cause) {
    if (!hasErrno(cause, 'ENOENT') && !hasErrno(cause, 'ENOTDIR')) throw cause;
    const isFile = hasErrno(cause, 'ENOTDIR');
    throw new NotFoundError(
      'IMAGE_SOURCE_NOT_FOUND',
      `Cannot open image layout "${path}": expected a directory, found ${isFile ? 'a file' : 'nothing'}`,
      { path },
      {
        cause,
        ...(isFile ? { hint: 'Use oci-archive: or docker-archive: for a file' } : {}),
      },
    );
  }
}

/** Reads a complete range; shorter if the file has shrunk since it was opened. @throws HostError SYSCALL_FAILED */
export function readRange(range: BlobRange): Uint8Array {
  const bytes = new Uint8Array(range.sizeBytes);
  return bytes.subarray(0, readAt(range.fd, bytes, range.offsetBytes));
}
