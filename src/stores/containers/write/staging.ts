import type { ByteString } from '#base/bytes';
import {
  type Dir,
  fsync,
  type HostFile,
  hasErrno,
  OPEN,
  randomName,
  removeTree,
  statFd,
  tryLockOfd,
} from '#host';

/** Prefix of the names of staged additions and their locks. Source: containers/storage 1.64, internal/tempdir. */
const TEMP_DIR = 'temp-dir-';
const LOCK = 'lock-';
const TRIES = 16;

/**
 * A folder for staged additions, as in podman: while its lock is held no process touches it, and after a crash the next process removes it.
 */
export class StagingFolder implements Disposable {
  readonly dir: Dir;
  readonly #parent: Dir;
  readonly #id: string;
  readonly #lock: HostFile;

  private constructor(parent: Dir, dir: Dir, id: string, lock: HostFile) {
    this.#parent = parent;
    this.dir = dir;
    this.#id = id;
    this.#lock = lock;
  }

  /** Creates a folder below `name`, and removes abandoned ones there. @throws HostError SYSCALL_FAILED */
  static make(root: Dir, name: string): StagingFolder {
    root.mkdir(name, 0o700);
    const parent = root.openDir(name);
    try {
      removeAbandoned(parent);
      for (let attempt = 0; attempt < TRIES; attempt += 1) {
        const id = randomName();
        const lock = takeLock(parent, `${LOCK}${id}`);
        if (lock === undefined) continue;
        parent.mkdir(`${TEMP_DIR}${id}`, 0o700);
        return new StagingFolder(parent, parent.openDir(`${TEMP_DIR}${id}`), id, lock);
      }
      throw new Error('no name was free for a staging folder');
    } catch (error) {
      parent[Symbol.dispose]();
      throw error;
    }
  }

  /** Removes the folder and its remaining content. */
  [Symbol.dispose](): void {
    this.dir[Symbol.dispose]();
    removeTree(this.#parent, `${TEMP_DIR}${this.#id}` as ByteString);
    this.#parent.unlink(`${LOCK}${this.#id}`);
    this.#lock[Symbol.dispose]();
    this.#parent[Symbol.dispose]();
  }
}

/** Creates a file and locks it; undefined when another process removed it in between. */
function takeLock(parent: Dir, name: string): HostFile | undefined {
  const flags = OPEN.create | OPEN.exclusive | OPEN.readWrite;
  const lock = parent.openFile(name, flags, 0o600);
  const isHeld = tryLockOfd(lock, 'exclusive') && parent.lstat(name)?.ino === statFd(lock).ino;
  if (isHeld) return lock;
  lock[Symbol.dispose]();
  return undefined;
}

/** Removes folders whose lock no process holds. */
function removeAbandoned(parent: Dir): void {
  for (const { name } of parent.readEntries()) {
    if (!name.startsWith(LOCK)) continue;
    try {
      using lock = parent.tryOpenFile(name, OPEN.readWrite | OPEN.noFollow);
      if (lock === undefined || !tryLockOfd(lock, 'exclusive')) continue;
      removeTree(parent, `${TEMP_DIR}${name.slice(LOCK.length)}` as ByteString);
      parent.unlink(name);
    } catch (error) {
      // Another process is removing it too.
      if (!hasErrno(error, 'ENOENT') && !hasErrno(error, 'ENOTEMPTY')) throw error;
    }
  }
}

/** Syncs directories, so that their entries are durable. @throws HostError SYSCALL_FAILED */
export function fsyncFolders(root: Dir, names: readonly string[]): void {
  for (const name of names) {
    using folder = root.tryOpenDir(name);
    if (folder !== undefined) fsync(folder);
  }
}
