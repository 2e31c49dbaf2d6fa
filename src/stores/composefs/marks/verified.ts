import type { ObjectId } from '#base/digest';
import { isOnecopyError } from '#base/errors';
import { type Descriptor, type Dir, OPEN, readAll, statFd, truncate, writeAt } from '#host';
import { DIRECTORY_MODE, FILE_MODE, OWN, VERIFIED } from '../layout.ts';
import { isOursAlone } from './ours.ts';

/** Bytes of a mark; a real one has about 80. */
const MARK_BYTES_MAX = 256;
/** A file that changed later than this before it was hashed may change once more with the same time. Source: ours; some clocks step by 2 s. */
const SETTLED_SEC = 3;

/**
 * Marks of images whose content was hashed and found right, so that a look at one path does not hash the whole image each time. A mark
 * says which inode it was, how large, and when it changed last: whoever writes to the file, or puts another in its place, makes it
 * void, for nobody can set the time of a change. It is believed only where nobody but this user and root can have written it, and
 * is never asked for where the kernel verifies.
 */
export class VerifiedMarks {
  readonly #root: Dir;

  constructor(root: Dir) {
    this.#root = root;
  }

  /** True when this very content was hashed before. */
  has(id: ObjectId, file: Descriptor): boolean {
    return this.#quietly(() => {
      if (!isOursAlone(this.#root, [OWN, VERIFIED])) return false;
      using mark = this.#root.tryOpenFile(pathOf(id), OPEN.read | OPEN.noFollow | OPEN.nonBlock);
      return mark !== undefined && readAll(mark, MARK_BYTES_MAX).toString() === stampOf(file);
    });
  }

  /** Notes that content is right. `startedMs` is when hashing it began. Does nothing where that cannot be written down. */
  add(id: ObjectId, file: Descriptor, startedMs: number): void {
    this.#quietly(() => {
      if (statFd(file).ctimeSec > startedMs / 1000 - SETTLED_SEC) return false;
      this.#root.mkdir(OWN, DIRECTORY_MODE);
      this.#root.mkdir(VERIFIED, DIRECTORY_MODE);
      if (!isOursAlone(this.#root, [OWN, VERIFIED])) return false;
      const flags = OPEN.readWrite | OPEN.create | OPEN.noFollow | OPEN.nonBlock;
      using mark = this.#root.openFile(pathOf(id), flags, FILE_MODE);
      truncate(mark, 0);
      writeAt(mark, Buffer.from(stampOf(file)), 0);
      return true;
    });
  }

  /** A failed optimisation must not fail the command. */
  #quietly(work: () => boolean): boolean {
    try {
      return work();
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
      return false;
    }
  }
}

function pathOf(id: ObjectId): string {
  return `${VERIFIED}/${id}`;
}

/** Half a mark is none: the line end is a part of it. */
function stampOf(file: Descriptor): string {
  const { ino, sizeBytes, mtimeSec, mtimeNsec, ctimeSec, ctimeNsec } = statFd(file);
  return `1 ${ino} ${sizeBytes} ${mtimeSec}.${mtimeNsec} ${ctimeSec}.${ctimeNsec}\n`;
}
