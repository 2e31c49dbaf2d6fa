import type { ByteString } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { type Dir, hasErrno, OPEN } from '#host';
import { DIRECTORY_MODE, FILE_MODE, OWN, SUSPECTS, SUSPECTS_MAX } from '../layout.ts';
import { readUnsorted } from '../names/links.ts';
import { fileNameOf, textOf } from '../names/names.ts';

/** The suspects: `all`, or objects by id and streams by name. */
export type Suspects =
  | 'all'
  | { readonly ids: ReadonlySet<ObjectId>; readonly streams: ReadonlySet<string> };

/** One suspect. */
export type Suspect = { readonly id: ObjectId } | { readonly stream: string };

/** Name of the mark that makes everything suspect. */
const ALL = 'all';
const OBJECT_ID = /^(?:[0-9a-f]{64}|[0-9a-f]{128})$/;

/**
 * Marks of objects and streams that a check found damaged. Writers verify the content of marked objects before they reuse them. The marks
 * are stored in the directory of onecopy. A lost mark loses only this information; a superfluous mark costs one verification.
 */
export class SuspectStore {
  readonly #root: Dir;

  constructor(root: Dir) {
    this.#root = root;
  }

  /** Reads the current marks. */
  read(): Suspects {
    const ids = new Set<ObjectId>();
    const streams = new Set<string>();
    for (const entry of readUnsorted(this.#root, SUSPECTS)) {
      if (entry.name === ALL) return 'all';
      const name = textOf(entry.name);
      if (name === undefined) continue;
      if (OBJECT_ID.test(name)) ids.add(name as ObjectId);
      else streams.add(name);
    }
    return ids.size + streams.size > SUSPECTS_MAX ? 'all' : { ids, streams };
  }

  /** Adds marks. A read-only repository is not changed: no writer can reuse its objects either. */
  add(found: Iterable<Suspect>): void {
    const names = [...found].map((one) => ('id' in one ? one.id : one.stream));
    if (names.length === 0 || !this.#root.isWritable()) return;
    const marks = names.length > SUSPECTS_MAX ? [ALL] : names;
    this.#root.mkdir(OWN, DIRECTORY_MODE);
    this.#root.mkdir(SUSPECTS, DIRECTORY_MODE);
    for (const mark of marks) {
      const flags = OPEN.write | OPEN.create | OPEN.noFollow | OPEN.nonBlock;
      this.#root.openFile(`${SUSPECTS}/${fileNameOf(mark)}`, flags, FILE_MODE)[Symbol.dispose]();
    }
  }

  /** Removes marks of objects that were verified or written again. */
  clear(done: Iterable<Suspect>): void {
    for (const one of done) this.#remove(fileNameOf('id' in one ? one.id : one.stream));
  }

  /**
   * Replaces the marks of objects, because all objects were checked. Marks of streams are added, because not all streams were checked
   * completely.
   */
  replaceObjects(found: readonly Suspect[]): void {
    const ids = new Set(found.flatMap((one) => ('id' in one ? [one.id as string] : [])));
    const isMany = found.length > SUSPECTS_MAX;
    for (const { name } of readUnsorted(this.#root, SUSPECTS)) {
      if (name === ALL ? !isMany : OBJECT_ID.test(name) && !ids.has(name)) this.#remove(name);
    }
    this.add(found);
  }

  #remove(name: ByteString): void {
    try {
      this.#root.unlink(`${SUSPECTS}/${name}`);
    } catch (error) {
      // A user who may not write here keeps the marks.
      if (!hasErrno(error, 'EACCES') && !hasErrno(error, 'EROFS') && !hasErrno(error, 'EPERM')) {
        throw error;
      }
    }
  }
}
