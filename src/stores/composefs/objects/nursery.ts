import { type Dir, readInodeGroups, type TmpFile, threadNumber } from '#host';
import { DIRECTORY_MODE, FAN_OUT, FILE_MODE } from '../layout.ts';

/** Files that go to the usual place first: for a few there is nothing to gain. */
const FILES_BEFORE = 64;
/** Fan-out directories among which those of different groups are sought. */
const CANDIDATES = 16;
/** Groups that one thread uses in turn. */
const OWN_GROUPS_MAX = 2;
/** Files in a row in one group. */
const ROW_FILES = 64;

/**
 * Where the files of new objects are made, for one thread. Where a filesystem has groups of inodes and puts a file into that of its
 * directory (XFS), all objects would lie in the group of `objects`, and threads that write or remove them would wait for each other. So
 * each thread makes its files in fan-out directories of groups of its own, two in turn, so that what even a single writer wrote can be
 * removed by two threads.
 */
export class Nursery {
  readonly #objects: Dir;
  #files = 0;
  #places: readonly string[] | undefined;

  /** @param objects the directory of objects, which stays open as long as files are made */
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

  /** Fan-out directories of this thread's groups; none where there are no such groups. */
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
