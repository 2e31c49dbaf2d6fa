import { type ByteString, displayText } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { isOnecopyError, type OnecopyError } from '#base/errors';
import type { Steps } from '#base/flow';
import { ALGORITHMS, type VerityAlgorithm } from '#formats/fsverity';
import { closeFd, Dir, OPEN, probeVerity, statFd, tryMeasureVerity } from '#host';
import { OBJECTS, objectNameLength } from '../layout.ts';
import { FileBatch, type HashedFile } from '../objects/file-batch.ts';
import { type OddEntry, openFanOut, type SharedObjects } from '../objects/object-list.ts';
import { objectIdIn } from '../objects/objects.ts';
import { hashFile } from '../objects/verity.ts';
import type { Finding, FindingKind } from './findings.ts';

/** Plain data: the objects to check. Several threads may share it; each takes the next free part. */
export interface ObjectCheck extends SharedObjects {
  readonly objectsFd: number;
  readonly algorithm: VerityAlgorithm;
  readonly insecure: boolean;
  /** Whether threads report progress. */
  readonly reports: boolean;
  /** One int32: the number of the next part, taken atomically. */
  readonly next: SharedArrayBuffer;
}

/** Objects in a part: few enough that all threads finish at about the same time. */
const PART_OBJECTS = 64;

/** Checks protection and content of objects, one part at a time. Findings are values and are never thrown. */
export class ObjectChecker implements Disposable {
  /** Findings so far, at most one for each object. */
  readonly findings: Finding[] = [];
  readonly #check: ObjectCheck;
  /** The descriptor belongs to the repository, so this handle is never disposed. */
  readonly #objects: Dir;
  readonly #next: Int32Array;
  readonly #sizes: Float64Array;
  readonly #digest: Buffer;
  /** Undefined as long as the kernel measures every object. */
  #batch: FileBatch | undefined;
  /** Numbers of the objects in the batch. */
  readonly #waiting: number[] = [];
  /** The most recently used fan-out directory: parts are in the order of directories. */
  #dir: Dir | undefined;
  #fanOut = '';
  #mayHaveVerity = true;

  constructor(check: ObjectCheck) {
    this.#check = check;
    this.#objects = new Dir(check.objectsFd, OBJECTS);
    this.#next = new Int32Array(check.next);
    this.#sizes = new Float64Array(check.sizes);
    this.#digest = Buffer.alloc(ALGORITHMS[check.algorithm].digestBytes);
  }

  /** Checks the next free part, and returns its number of objects; undefined if there is none left. */
  step(): number | undefined {
    const start = Atomics.add(this.#next, 0, 1) * PART_OBJECTS;
    const end = Math.min(start + PART_OBJECTS, this.#sizes.length);
    if (start >= end) return undefined;
    for (let index = start; index < end; index += 1) this.#checkAt(index);
    this.#finishBatch();
    return end - start;
  }

  /** Checks a file that is not an object, or whose type the directory does not state. */
  checkOdd(entry: OddEntry): Finding | undefined {
    using dir = openFanOut(this.#objects, entry.fanOut);
    const type = entry.type === 'unknown' ? dir?.lstat(entry.name)?.type : entry.type;
    if (dir === undefined) return undefined;
    return checkObject(dir, { ...entry, type: type ?? 'unknown' }, this.#check);
  }

  [Symbol.dispose](): void {
    this.#dir?.[Symbol.dispose]();
    this.#dir = undefined;
    this.#fanOut = '';
  }

  /** Checks an object, or defers it to the next `#finishBatch`. */
  #checkAt(index: number): void {
    const id = this.#idAt(index);
    const fanOut = id.slice(0, 2);
    if (fanOut !== this.#fanOut) {
      this[Symbol.dispose]();
      this.#dir = openFanOut(this.#objects, fanOut);
      this.#fanOut = fanOut;
    }
    if (this.#dir === undefined) return;
    const measured = this.#measure(this.#dir, id);
    if (measured === 'waits') {
      this.#waiting.push(index);
      if (this.#batch?.isFull === true) this.#finishBatch();
    } else this.#note(index, id, measured);
  }

  #idAt(index: number): ObjectId {
    const digest = this.#digest;
    digest.set(new Uint8Array(this.#check.digests, index * digest.length, digest.length));
    return digest.toString('hex') as ObjectId;
  }

  /** Hashes what waits. */
  #finishBatch(): void {
    for (const [place, file] of (this.#batch?.finish() ?? []).entries()) {
      const index = this.#waiting[place] ?? 0;
      this.#note(index, this.#idAt(index), file);
    }
    this.#waiting.length = 0;
  }

  /** Records the size of an object whose content matches its name, the usual case. Any other object is examined again in detail. */
  #note(index: number, id: ObjectId, measured: HashedFile | undefined): void {
    if (measured?.id === id) {
      this.#sizes[index] = measured.sizeBytes;
      return;
    }
    const fanOut = id.slice(0, 2);
    using other = fanOut === this.#fanOut ? undefined : openFanOut(this.#objects, fanOut);
    const dir = fanOut === this.#fanOut ? this.#dir : other;
    if (dir === undefined) return;
    const entry: OddEntry = { fanOut, name: id.slice(2) as ByteString, type: 'file' };
    const finding = checkObject(dir, entry, this.#check);
    if (finding !== undefined) this.findings.push(finding);
  }

  /**
   * The digest of an object, or a mark that it waits in the batch; undefined if neither is known. Uses the fewest possible system calls.
   */
  #measure(dir: Dir, id: ObjectId): HashedFile | 'waits' | undefined {
    try {
      const fd = dir.tryOpenFd(
        id.slice(2) as ByteString,
        OPEN.read | OPEN.noFollow | OPEN.nonBlock,
      );
      if (fd === undefined) return undefined;
      try {
        return this.#measureFd(fd);
      } finally {
        closeFd(fd);
      }
    } catch (error) {
      if (!isOnecopyError(error)) throw error;
      return undefined;
    }
  }

  #measureFd(fd: number): HashedFile | 'waits' | undefined {
    const { algorithm, insecure } = this.#check;
    const measured = this.#mayHaveVerity ? probeVerity(fd, algorithm) : 'unsupported';
    if (typeof measured !== 'string') {
      return { id: measured.id, sizeBytes: statFd(fd).sizeBytes };
    }
    this.#mayHaveVerity = measured !== 'unsupported';
    if (!insecure) return undefined;
    this.#batch ??= new FileBatch(algorithm);
    return this.#batch.add(fd) ?? 'waits';
  }
}

/** Examines a file in a fan-out directory in detail, and reports its problem. */
function checkObject(
  dir: Dir,
  { fanOut, name, type }: OddEntry,
  { algorithm, insecure }: Pick<ObjectCheck, 'algorithm' | 'insecure'>,
): Finding | undefined {
  const find = (kind: FindingKind, detail: string): Finding => {
    return { kind, path: `${OBJECTS}/${fanOut}/${displayText(name)}`, detail };
  };
  const id = objectIdIn(fanOut, name, algorithm);
  if (id === undefined) {
    const isLength = name.length !== objectNameLength(algorithm);
    return find('object-invalid-name', isLength ? 'Invalid string length' : 'Invalid character');
  }
  // A device or a pipe in place of an object must not be opened: the open may block forever.
  if (type !== 'file') return find('object-open-failed', `it is a ${type}`);
  const opened = attempt(() => dir.openFile(name, OPEN.read | OPEN.noFollow | OPEN.nonBlock));
  if (opened.error !== undefined) return find('object-open-failed', opened.error.message);
  using file = opened.value;
  const measured = attempt(() => tryMeasureVerity(file, algorithm));
  if (measured.error !== undefined) return find('object-verity-failed', measured.error.message);
  if (measured.value === undefined && !insecure) {
    return find('object-verity-missing', 'fs-verity is not enabled');
  }
  const found = attempt(() => measured.value ?? hashFile(file, algorithm));
  if (found.error !== undefined) return find('object-verity-failed', found.error.message);
  return found.value === id ? undefined : find('object-digest-mismatch', `measured ${found.value}`);
}

type Attempt<T> =
  | { readonly value: T; readonly error?: undefined }
  | { readonly value?: undefined; readonly error: OnecopyError };

/** Converts errors of this library to values: fsck reports damage and continues. */
export function attempt<T>(work: () => T): Attempt<T> {
  try {
    return { value: work() };
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return { error };
  }
}

/** As `attempt`, of work in steps. */
export function* attemptSteps<T>(steps: Steps<T>): Steps<Attempt<T>> {
  try {
    return { value: yield* steps };
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return { error };
  }
}
