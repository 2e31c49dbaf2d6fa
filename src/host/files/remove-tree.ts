import type { ByteString } from '#base/bytes';
import { hasErrno } from '../ffi/errno.ts';
import { OPEN } from '../ffi/flags.ts';
import { Dir } from './dir.ts';
import { fchmod } from './file.ts';

const OWNER_ALL = 0o700;

/**
 * Removes a directory with everything in it, without following symbolic links. Modes that would prevent it are widened first. Missing files
 * are ignored.
 * @throws HostError SYSCALL_FAILED
 */
export function removeTree(parent: Dir, name: ByteString): void {
  using directory = openOwn(parent, name);
  if (directory === undefined) return;
  for (const entry of directory.readEntries()) {
    if (entry.type === 'directory') removeTree(directory, entry.name);
    else directory.unlink(entry.name);
  }
  parent.rmdir(name);
}

/** A tree may hold directories without permission for their owner. Modes change by descriptor: a name may be swapped for a link. */
function openOwn(parent: Dir, name: ByteString): Dir | undefined {
  const open = () => parent.tryOpenDir(name, { noFollow: true });
  try {
    const directory = open();
    if (directory !== undefined) fchmod(directory, OWNER_ALL);
    return directory;
  } catch (error) {
    if (!hasErrno(error, 'EACCES')) throw error;
    using found = parent.tryOpenFile(name, OPEN.path | OPEN.directory | OPEN.noFollow);
    if (found === undefined) return undefined;
    using descriptors = Dir.openPath('/proc/self/fd' as ByteString);
    descriptors.chmod(String(found.fd), OWNER_ALL);
    return open();
  }
}
