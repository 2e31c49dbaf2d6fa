import type { ByteString } from '#base/bytes';
import { isOnecopyError } from '#base/errors';
import { Dir, randomName, resolvedPathOf, statFd, tryFlock } from '#host';
import type { Repository } from '#stores/composefs';
import { removeTree } from './remove.ts';

/** What our temporary folders are called. */
const PREFIX = '.onecopy-';
/** Bits of a mode: others can write; only owners can rename. */
const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;
const NAME = /^\.onecopy-[A-Za-z0-9]{12}$/;

/**
 * A temporary folder that its maker holds locked (flock) for as long as it writes, so that whoever comes later can tell one that was
 * abandoned. Disposing lets go of the lock; the folder stays.
 */
export class StagingFolder implements Disposable {
  /** In the folder that it lies in. */
  readonly name: ByteString;
  readonly root: Dir;

  private constructor(name: ByteString, root: Dir) {
    this.name = name;
    this.root = root;
  }

  /** Makes one. @throws HostError SYSCALL_FAILED, NO_SPACE */
  static make(parent: Dir): StagingFolder {
    for (;;) {
      const name = `${PREFIX}${randomName()}` as ByteString;
      if (!parent.mkdir(name, 0o700)) continue;
      const root = parent.tryOpenDir(name, { noFollow: true });
      if (root === undefined) continue;
      // Before it was locked it looked abandoned: somebody may be taking it away.
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
 * Removes the temporary folders of this user in a folder whose maker was killed. One that cannot be removed stays: it is in nobody's way.
 * In a folder where others can rename what this user has nothing is removed: it may be something else under such a name.
 */
export function removeAbandoned(parent: Dir): void {
  attempt(() => {
    if (!isSafe(parent)) return;
    for (const { name, type } of parent.readEntries()) {
      if (type === 'directory' && NAME.test(name)) attempt(() => removeIfAbandoned(parent, name));
    }
  });
}

/**
 * Removes what killed exports of a repository left anywhere on this host, and forgets it.
 * @returns the number of folders
 */
export function removeAbandonedExports(repository: Repository): number {
  let count = 0;
  for (const { folder, forget } of repository.exports.listAbandoned()) {
    const slash = folder.lastIndexOf('/');
    const name = folder.slice(slash + 1) as ByteString;
    const isRemoved = attempt(() => {
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

/** Only this user and root can rename what this user has there: the folder is theirs, or sticky. */
function isSafe(parent: Dir): boolean {
  const { uid, mode } = statFd(parent);
  const isOwned = uid === 0 || uid === process.geteuid?.();
  return isOwned && ((mode & OTHERS_WRITE) === 0 || (mode & STICKY) !== 0);
}

/** Where a filesystem has no locks, nothing is ever taken for abandoned. */
function lock(folder: Dir): 'locked' | 'busy' | 'unknown' {
  const isLocked = attempt(() => tryFlock(folder, 'exclusive'));
  return isLocked === undefined ? 'unknown' : isLocked ? 'locked' : 'busy';
}

/** Undefined where the host refuses. */
function attempt<Value>(work: () => Value): Value | undefined {
  try {
    return work();
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return undefined;
  }
}
