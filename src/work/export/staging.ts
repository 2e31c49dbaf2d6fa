import type { ByteString } from '#base/bytes';
import { quietly } from '#base/errors';
import { Dir, randomName, removeTree, resolvedPathOf, statFd, tryFlock } from '#host';
import type { Repository } from '#stores/composefs';

/** Prefix of temporary directories. */
const PREFIX = '.onecopy-';
/** Bits of a mode: others can write; only owners can rename. */
const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;
const NAME = /^\.onecopy-[A-Za-z0-9]{12}$/;

/**
 * A temporary directory, locked (flock) by its creator while it writes, so that other processes can detect an abandoned one. Disposing
 * releases the lock; the directory remains.
 */
export class StagingFolder implements Disposable {
  /** Name in its parent directory. */
  readonly name: ByteString;
  readonly root: Dir;

  private constructor(name: ByteString, root: Dir) {
    this.name = name;
    this.root = root;
  }

  /** Creates a temporary directory. @throws HostError SYSCALL_FAILED, NO_SPACE */
  static make(parent: Dir): StagingFolder {
    for (;;) {
      const name = `${PREFIX}${randomName()}` as ByteString;
      if (!parent.mkdir(name, 0o700)) continue;
      const root = parent.tryOpenDir(name, { noFollow: true });
      if (root === undefined) continue;
      // Before it was locked, it looked abandoned: another process may be removing it.
      const isHeld = lock(root) !== 'busy' && parent.lstat(name) !== undefined;
      if (isHeld) return new StagingFolder(name, root);
      root[Symbol.dispose]();
    }
  }

  /** Absolute. */
  get path(): ByteString {
    return resolvedPathOf(this.root);
  }

  [Symbol.dispose](): void {
    this.root[Symbol.dispose]();
  }
}

/**
 * Removes the abandoned temporary directories of this user in a directory. A directory that cannot be removed is harmless and remains. If
 * other users can rename the files of this user there, nothing is removed, because the name may have been given to another directory.
 */
export function removeAbandoned(parent: Dir): void {
  quietly(() => {
    if (!isSafe(parent)) return;
    for (const { name, type } of parent.readEntries()) {
      if (type === 'directory' && NAME.test(name)) quietly(() => removeIfAbandoned(parent, name));
    }
  });
}

/**
 * Removes the leftovers of killed exports of a repository anywhere on this host, with their records.
 * @returns the number of directories
 */
export function removeAbandonedExports(repository: Repository): number {
  let count = 0;
  for (const { folder, forget } of repository.exports.listAbandoned()) {
    const slash = folder.lastIndexOf('/');
    const name = folder.slice(slash + 1) as ByteString;
    const isRemoved = quietly(() => {
      using parent = Dir.openPath((folder.slice(0, slash) || '/') as ByteString);
      return NAME.test(name) && isSafe(parent) && removeIfAbandoned(parent, name);
    });
    if (isRemoved === true) count += 1;
    forget();
  }
  return count;
}

function removeIfAbandoned(parent: Dir, name: ByteString): boolean {
  if (parent.lstat(name)?.uid !== process.geteuid?.()) return false;
  using folder = parent.tryOpenDir(name, { noFollow: true });
  if (folder === undefined || lock(folder) !== 'locked') return false;
  removeTree(parent, name);
  return true;
}

/** True if only this user and root can rename the files of this user there: the directory belongs to them, or is sticky. */
function isSafe(parent: Dir): boolean {
  const { uid, mode } = statFd(parent);
  const isOwned = uid === 0 || uid === process.geteuid?.();
  return isOwned && ((mode & OTHERS_WRITE) === 0 || (mode & STICKY) !== 0);
}

/** If a filesystem has no locks, no directory counts as abandoned. */
function lock(folder: Dir): 'locked' | 'busy' | 'unknown' {
  const isLocked = quietly(() => tryFlock(folder, 'exclusive'));
  return isLocked === undefined ? 'unknown' : isLocked ? 'locked' : 'busy';
}
