import type { ByteString } from '#base/bytes';
import { isOnecopyError } from '#base/errors';
import { type Dir, randomName, tryFlock } from '#host';
import { removeTree } from './remove.ts';

/** What our temporary folders are called. */
const PREFIX = '.onecopy-';
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

  [Symbol.dispose](): void {
    this.root[Symbol.dispose]();
  }
}

/**
 * Removes the temporary folders of this user in a folder whose maker was killed. One that cannot be removed stays: it is in nobody's way.
 */
export function removeAbandoned(parent: Dir): void {
  attempt(() => {
    for (const { name, type } of parent.readEntries()) {
      if (type === 'directory' && NAME.test(name)) attempt(() => removeIfAbandoned(parent, name));
    }
  });
}

function removeIfAbandoned(parent: Dir, name: ByteString): void {
  if (parent.lstat(name)?.uid !== process.geteuid?.()) return;
  using folder = parent.tryOpenDir(name, { noFollow: true });
  if (folder !== undefined && lock(folder) === 'locked') removeTree(parent, name);
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
