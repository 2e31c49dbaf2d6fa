import { isOnecopyError } from '#base/errors';
import {
  CHANGE_STAMP_BYTES,
  type Dir,
  OPEN,
  readAll,
  timeOfChange,
  truncate,
  writeAt,
} from '#host';
import { CATEGORIES, FAN_OUT, FILE_MODE, GC_RECORD_NAME, OBJECTS } from '../layout.ts';
import { readUnsorted } from '../names/links.ts';

/*
 * A repository without garbage stays so until a name comes or goes in one of its directories, which the kernel notes in the time of the
 * directory's last change. So it is enough to remember those times: looking at them takes a hundredth of looking at all objects.
 *
 *     {"version":1,"keptObjects":54434,"references":["images/refs",…]}\n  one change stamp for each directory
 *
 * The record is never needed and never believed about what may be removed: wherever it is wrong, torn or too old, garbage stays a while.
 */

const VERSION = 1;
/** Most bytes of a record that is read: ten thousand directories of references. */
const RECORD_BYTES_MAX = 1 << 20;
/**
 * A directory that changed so recently could change again without a new time, in seconds: the kernel counts the nanoseconds of changes in
 * ticks of 10 ms at most, and some filesystems keep seconds alone. Source: Linux current_time, CONFIG_HZ.
 */
const SETTLED_SECONDS = { nanoseconds: 0.1, seconds: 2 } as const;

interface Heading {
  readonly version: number;
  readonly keptObjects: number;
  /** The directories of references, relative to the repository, as bytes. */
  readonly references: readonly string[];
}

/**
 * Remembers that nothing in a repository is garbage. For whoever holds its lock exclusively; does nothing when something changed just now,
 * and when it cannot be written.
 * @param nowSeconds the time, in seconds since 1970
 */
export function recordNoGarbage(
  root: Dir,
  keptObjects: number,
  nowSeconds: number = Date.now() / 1000,
): void {
  try {
    const references = CATEGORIES.flatMap((category) => [...directoriesBelow(root, category)]);
    const stamps = stampsOf(root, references);
    if (!isSettled(stamps, nowSeconds)) return;
    const heading: Heading = { version: VERSION, keptObjects, references };
    const bytes = Buffer.concat([Buffer.from(`${JSON.stringify(heading)}\n`), stamps]);
    if (bytes.length > RECORD_BYTES_MAX) return;
    // Written in place: the directory does not change, and half a record fits no repository.
    const flags = OPEN.readWrite | OPEN.create | OPEN.noFollow | OPEN.nonBlock;
    using file = root.openFile(GC_RECORD_NAME, flags, FILE_MODE);
    truncate(file, 0);
    writeAt(file, bytes, 0);
  } catch (error) {
    if (!isHostError(error)) throw error;
  }
}

/** Whether every directory changed long enough ago that one more change would show. */
export function isSettled(stamps: Buffer, nowSeconds: number): boolean {
  const count = stamps.length / CHANGE_STAMP_BYTES;
  const times = Array.from({ length: count }, (_, at) =>
    timeOfChange(stamps, at * CHANGE_STAMP_BYTES),
  );
  const isFine = times.some(({ nsec }) => nsec !== 0);
  const settledSeconds = isFine ? SETTLED_SECONDS.nanoseconds : SETTLED_SECONDS.seconds;
  return times.every(({ sec, nsec }) => sec + nsec / 1e9 <= nowSeconds - settledSeconds);
}

/** Number of objects when nothing has changed since none was garbage; undefined when that is not known. */
export function keptSinceRecord(root: Dir): number | undefined {
  try {
    using file = root.tryOpenFile(GC_RECORD_NAME, OPEN.read | OPEN.noFollow | OPEN.nonBlock);
    if (file === undefined) return undefined;
    const bytes = readAll(file, RECORD_BYTES_MAX);
    const end = bytes.indexOf('\n');
    const heading = headingOf(bytes.toString('utf8', 0, Math.max(0, end)));
    if (heading === undefined) return undefined;
    const recorded = bytes.subarray(end + 1);
    if (recorded.length !== directoriesOf(heading.references).length * CHANGE_STAMP_BYTES)
      return undefined;
    return stampsOf(root, heading.references).equals(recorded) ? heading.keptObjects : undefined;
  } catch (error) {
    if (!isHostError(error)) throw error;
    return undefined;
  }
}

function headingOf(text: string): Heading | undefined {
  let value: Partial<Heading> | null;
  try {
    value = JSON.parse(text) as Partial<Heading> | null;
  } catch {
    return undefined;
  }
  if (value?.version !== VERSION || !Number.isSafeInteger(value.keptObjects)) return undefined;
  const { references } = value;
  const isList = Array.isArray(references) && references.every((path) => typeof path === 'string');
  return isList ? (value as Heading) : undefined;
}

/** The directories whose entries count, relative to the repository. */
function directoriesOf(references: readonly string[]): readonly string[] {
  const fanOut = FAN_OUT.map((name) => `${OBJECTS}/${name}`);
  return [OBJECTS, ...fanOut, ...CATEGORIES, ...references];
}

/** Change stamps of all directories whose entries count; zeros for one that is missing. */
function stampsOf(root: Dir, references: readonly string[]): Buffer {
  const directories = directoriesOf(references);
  const stamps = Buffer.alloc(directories.length * CHANGE_STAMP_BYTES);
  for (const [index, path] of directories.entries()) {
    root.putChangeStamp(path, stamps, index * CHANGE_STAMP_BYTES);
  }
  return stamps;
}

function* directoriesBelow(root: Dir, path: string): Generator<string> {
  for (const { name, type } of readUnsorted(root, path)) {
    if (type !== 'directory') continue;
    yield `${path}/${name}`;
    yield* directoriesBelow(root, `${path}/${name}`);
  }
}

function isHostError(error: unknown): boolean {
  return isOnecopyError(error) && error.kind === 'host';
}
