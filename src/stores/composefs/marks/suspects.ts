import type { ByteString } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { type Dir, hasErrno, OPEN } from '#host';
import { DIRECTORY_MODE, FILE_MODE, OWN, SUSPECTS, SUSPECTS_MAX } from '../layout.ts';
import { readUnsorted } from '../names/links.ts';
import { fileNameOf, textOf } from '../names/names.ts';

/** What is suspect: `all`, or objects by id and streams by name. */
export type Suspects =
  | 'all'
  | { readonly ids: ReadonlySet<ObjectId>; readonly streams: ReadonlySet<string> };

/** One thing that is suspect. */
export type Suspect = { readonly id: ObjectId } | { readonly stream: string };

/** Name of the mark that stands for more than can be marked one by one. */
const ALL = 'all';
const OBJECT_ID = /^(?:[0-9a-f]{64}|[0-9a-f]{128})$/;

/**
 * Marks of what a check found damaged, so that nothing takes it for good before its content was verified. They lie in a directory of our
 * own; one that is lost costs nothing but that knowledge, one too many costs a look at an object.
 */
export class SuspectStore {
  readonly #root: Dir;

  constructor(root: Dir) {
    this.#root = root;
  }

  /** What is marked now. */
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

  /**
   * Marks things, beside what is marked. A repository that cannot be written to stays as it is: then nobody can take anything of it for
   * something else either.
   */
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

  /** Takes marks away: what they were about was verified, or written anew. */
  clear(done: Iterable<Suspect>): void {
    for (const one of done) this.#remove(fileNameOf('id' in one ? one.id : one.stream));
  }

  /** Makes these the marks of objects, because all were checked; streams among them are added, for not all is known of those. */
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
      // Whoever may not write here keeps being told to look.
      if (!hasErrno(error, 'EACCES') && !hasErrno(error, 'EROFS') && !hasErrno(error, 'EPERM')) {
        throw error;
      }
    }
  }
}
