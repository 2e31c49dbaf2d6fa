import { type Dir, readInodeGroups, type TmpFile, threadNumber } from '#host';
import { DIRECTORY_MODE, FAN_OUT, FILE_MODE } from '../layout.ts';

/** Number of files that are created in the usual directory first: a few files gain nothing. */
const FILES_BEFORE = 64;
/** Fan-out directories that are examined to find different groups. */
const CANDIDATES = 16;
/** Groups that one thread uses in turn. */
const OWN_GROUPS_MAX = 2;
/** Consecutive files in one group. */
const ROW_FILES = 64;

/**
 * Chooses the directory in which a thread creates new objects. Some filesystems (XFS) allocate a file in the inode group of its directory.
 * Then all objects would be in the group of `objects`, and threads that write or remove objects would wait for each other. Therefore each
 * thread creates its files in fan-out directories of its own groups. It alternates between two groups, so that two threads can remove the
 * objects of a single writer.
 */
export class Nursery {
  readonly #objects: Dir;
  #files = 0;
  #places: readonly string[] | undefined;

  /** @param objects the directory of objects, which must stay open while files are created */
  constructor(objects: Dir) {
    this.#objects = objects;
  }

  /** A new file without a name. @throws HostError SYSCALL_FAILED, NO_SPACE */
  tmpfile(): TmpFile {
    this.#files += 1;
    if (this.#files <= FILES_BEFORE) return this.#objects.tmpfile(FILE_MODE);
    this.#places ??= this.#choose();
    const place = this.#places[Math.floor(this.#files / ROW_FILES) % this.#places.length];
    return this.#objects.tmpfile(FILE_MODE, place);
  }

  /** Fan-out directories of the groups of this thread; none if there are no groups. */
  #choose(): readonly string[] {
    const groups = readInodeGroups(this.#objects);
    if (groups?.followDirectories !== true) return [];
    const byGroup = new Map<number, string>();
    for (const fanOut of FAN_OUT.slice(0, CANDIDATES)) {
      this.#objects.mkdir(fanOut, DIRECTORY_MODE);
      const ino = this.#objects.lstat(fanOut)?.ino;
      if (ino !== undefined) byGroup.set(groups.of(Number(ino)), fanOut);
    }
    const places = [...byGroup].sort(([a], [b]) => a - b).map(([, fanOut]) => fanOut);
    const own = Math.min(OWN_GROUPS_MAX, Math.max(1, Math.floor(places.length / 2)));
    const first = (threadNumber() * own) % places.length;
    return [...places, ...places].slice(first, first + own);
  }
}
