import { byteStringFromText } from '#base/bytes';
import { Dir, fsync, HostFile, OPEN, readAll, writeAll } from '#host';

/** Size limit for a file that a request names and that is read completely, in bytes. */
const FILE_BYTES_MAX = 64 * 2 ** 20;

/** The descriptor of standard input. A socket cannot be opened by the path. */
const STDIN = { path: '/dev/stdin', fd: 0 };

/** Reads a file that a request names, or standard input for `/dev/stdin`. @throws HostError SYSCALL_FAILED, exit 4 if it is missing */
export function readNamedFile(path: string): Buffer {
  if (path === STDIN.path) return readAll(new HostFile(STDIN.fd, path), FILE_BYTES_MAX);
  const { folder, name } = splitPath(path);
  using directory = Dir.open(folder);
  using file = directory.openFile(name, OPEN.read);
  return readAll(file, FILE_BYTES_MAX);
}

/**
 * Writes a file that a request names; an existing one is never replaced. If the write fails, no file is left.
 * @throws HostError NO_SPACE, SYSCALL_FAILED, exit 5 if it exists
 */
export function writeNamedFile(path: string, content: Uint8Array): void {
  const { folder, name } = splitPath(path);
  using directory = Dir.open(folder);
  using file = directory.openFile(name, OPEN.write | OPEN.create | OPEN.exclusive, 0o644);
  try {
    writeAll(file, content);
    fsync(file);
  } catch (error) {
    directory.unlink(name);
    throw error;
  }
}

function splitPath(path: string) {
  const slash = path.lastIndexOf('/');
  const folder = slash < 0 ? '.' : path.slice(0, slash) || '/';
  return { folder, name: byteStringFromText(path.slice(slash + 1)) };
}
