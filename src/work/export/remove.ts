import type { ByteString } from '#base/bytes';
import { type Dir, hasErrno } from '#host';

/**
 * Removes a directory with everything in it, without following symbolic links. Modes that would be in the way are widened first.
 * Missing things are fine.
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

/** A checkout may hold directories without permission for their owner. */
function openOwn(parent: Dir, name: ByteString): Dir | undefined {
  try {
    parent.chmod(name, 0o700);
    return parent.tryOpenDir(name, { noFollow: true });
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
