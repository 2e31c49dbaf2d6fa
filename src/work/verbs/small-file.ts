import { byteStringFromText } from '#base/bytes';
import { Dir, OPEN, readAll, writeAll } from '#host';

/** Largest file that a request may name to be read whole, in bytes. */
const FILE_BYTES_MAX = 64 * 2 ** 20;

/** Reads a file that a request names. @throws HostError SYSCALL_FAILED, exit 4 for one that is missing */
export function readNamedFile(path: string): Buffer {
  const { folder, name } = splitPath(path);
  using directory = Dir.open(folder);
  using file = directory.openFile(name);
  return readAll(file, FILE_BYTES_MAX);
}

/** Writes a file that a request names; an existing one is never replaced. @throws HostError SYSCALL_FAILED, exit 5 for one that is there */
export function writeNamedFile(path: string, content: Uint8Array): void {
  const { folder, name } = splitPath(path);
  using directory = Dir.open(folder);
  using file = directory.openFile(name, OPEN.write | OPEN.create | OPEN.exclusive, 0o644);
  writeAll(file, content);
}

function splitPath(path: string) {
  const slash = path.lastIndexOf('/');
  const folder = slash < 0 ? '.' : path.slice(0, slash) || '/';
  return { folder, name: byteStringFromText(path.slice(slash + 1)) };
}
