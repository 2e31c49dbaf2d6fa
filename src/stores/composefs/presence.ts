import type { ObjectId } from '#base/digest';
import type { Dir } from '#host';
import { OBJECTS } from './layout.ts';
import { openFanOut } from './object-list.ts';

/** A fan-out directory is read when it holds at most so many entries for each that is asked for in it. */
const ENTRIES_FOR_EACH = 8;

/**
 * Which of many objects are there. Reads the fan-out directories once and as they are asked for, where that costs less than a question for
 * each object: unless they hold far more than is asked for. An answer may be as old as this.
 */
export class ObjectPresence {
  readonly #root: Dir;
  readonly #ask: (id: ObjectId) => boolean;
  readonly #entriesMax: number;
  readonly #names = new Map<string, ReadonlySet<string>>();
  #isReading = true;

  /**
   * @param root the repository, open as long as this is used
   * @param expected number of objects that will be asked for
   * @param ask the answer for one object
   */
  constructor(root: Dir, expected: number, ask: (id: ObjectId) => boolean) {
    this.#root = root;
    this.#ask = ask;
    this.#entriesMax = (ENTRIES_FOR_EACH * expected) / FAN_OUTS;
  }

  /** True when there is a regular file, or a link to one, under the name of the object. @throws HostError SYSCALL_FAILED */
  has(id: ObjectId): boolean {
    // What a directory does not list as a plain file is looked at itself.
    return this.#namesOf(id.slice(0, 2))?.has(id.slice(2)) === true || this.#ask(id);
  }

  #namesOf(fanOut: string): ReadonlySet<string> | undefined {
    const known = this.#names.get(fanOut);
    if (known !== undefined || !this.#isReading) return known;
    const names = new Set<string>();
    using dir = openFanOut(this.#root, `${OBJECTS}/${fanOut}`);
    dir?.visitEntries((bytes, start, end, type) => {
      if (type === 'file') names.add(bytes.toString('latin1', start, end));
    });
    this.#names.set(fanOut, names);
    // Digests are spread evenly: what one directory holds, the others hold too.
    this.#isReading = names.size <= this.#entriesMax;
    return names;
  }
}

/** Number of fan-out directories. */
const FAN_OUTS = 256;
