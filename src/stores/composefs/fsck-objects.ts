import { displayText } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { isOnecopyError, type OnecopyError } from '#base/errors';
import type { VerityAlgorithm } from '#formats/fsverity';
import { closeFd, Dir, type DirEntry, OPEN, probeVerity, tryMeasureVerity } from '#host';
import type { Finding, FindingKind } from './findings.ts';
import { FAN_OUT, OBJECTS, objectNameLength } from './layout.ts';
import { objectIdIn } from './objects.ts';
import { hashFile } from './verity.ts';

/** Plain data: which objects to check. Several threads may share one, each takes the next fan-out directory that nobody has. */
export interface ObjectCheck {
  readonly objectsFd: number;
  readonly algorithm: VerityAlgorithm;
  readonly insecure: boolean;
  /** Whether threads report how far they are. */
  readonly reports: boolean;
  /** One int32: the number of the next fan-out directory, taken atomically. */
  readonly next: SharedArrayBuffer;
}

/** What the check of objects found. */
export interface ObjectCheckResult {
  readonly checked: number;
  readonly corrupted: number;
  readonly findings: readonly Finding[];
}

/** Checks name, protection and content of objects, one fan-out directory at a time. Findings are values; it never throws for them. */
export class ObjectChecker {
  readonly #check: ObjectCheck;
  /** The descriptor belongs to the repository, so this handle is never disposed. */
  readonly #objects: Dir;
  readonly #next: Int32Array;
  readonly #findings: Finding[] = [];
  #checked = 0;
  #mayHaveVerity = true;

  constructor(check: ObjectCheck) {
    this.#check = check;
    this.#objects = new Dir(check.objectsFd, OBJECTS);
    this.#next = new Int32Array(check.next);
  }

  /** What was found so far. Every finding is about another object. */
  get result(): ObjectCheckResult {
    const findings = this.#findings;
    return { checked: this.#checked, corrupted: findings.length, findings };
  }

  /** Checks the next fan-out directory that nobody has, and returns how many objects it holds; undefined when all are taken. */
  step(): number | undefined {
    const fanOut = FAN_OUT[Atomics.add(this.#next, 0, 1)];
    if (fanOut === undefined) return undefined;
    using dir = openOptional(this.#objects, fanOut);
    if (dir === undefined) return 0;
    const entries = dir.readEntries();
    for (const entry of entries) {
      if (this.#isIntact(dir, fanOut, entry)) continue;
      const finding = checkObject(dir, fanOut, entry, this.#check);
      if (finding !== undefined) this.#findings.push(finding);
    }
    this.#checked += entries.length;
    return entries.length;
  }

  /** True when the content is what the name says: nearly always, so this does no more than it must. False says nothing. */
  #isIntact(dir: Dir, fanOut: string, { name, type }: DirEntry): boolean {
    const { algorithm, insecure } = this.#check;
    if (type !== 'file' || name.length !== objectNameLength(algorithm)) return false;
    const found = attempt(() => {
      const fd = dir.tryOpenFd(name, OPEN.read | OPEN.noFollow);
      if (fd === undefined) return undefined;
      try {
        return this.#measure(fd) ?? (insecure ? hashFile(fd, algorithm) : undefined);
      } finally {
        closeFd(fd);
      }
    });
    return found.value === `${fanOut}${name}`;
  }

  #measure(fd: number): ObjectId | undefined {
    if (!this.#mayHaveVerity) return undefined;
    const measured = probeVerity(fd, this.#check.algorithm);
    if (typeof measured !== 'string') return measured.id;
    this.#mayHaveVerity = measured !== 'unsupported';
    return undefined;
  }
}

function openOptional(objects: Dir, fanOut: string): Dir | undefined {
  return objects.lstat(fanOut)?.type === 'directory' ? objects.openDir(fanOut) : undefined;
}

function checkObject(
  dir: Dir,
  fanOut: string,
  { name, type }: DirEntry,
  { algorithm, insecure }: ObjectCheck,
): Finding | undefined {
  const find = (kind: FindingKind, detail: string): Finding => {
    return { kind, path: `${OBJECTS}/${fanOut}/${displayText(name)}`, detail };
  };
  const id = objectIdIn(fanOut, name, algorithm);
  if (id === undefined) {
    const isLength = name.length !== objectNameLength(algorithm);
    return find('object-invalid-name', isLength ? 'Invalid string length' : 'Invalid character');
  }
  // A device or a pipe in the place of an object must not be opened: that may block for ever.
  if (type !== 'file') return find('object-open-failed', `it is a ${type}`);
  const opened = attempt(() => dir.openFile(name, OPEN.read | OPEN.noFollow));
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

/** Turns our errors into values: damage is what fsck reports, not what stops it. */
export function attempt<T>(work: () => T): Attempt<T> {
  try {
    return { value: work() };
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    return { error };
  }
}
