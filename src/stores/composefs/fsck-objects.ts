import { displayText } from '#base/bytes';
import { isOnecopyError, type OnecopyError } from '#base/errors';
import type { VerityAlgorithm } from '#formats/fsverity';
import { Dir, type DirEntry, OPEN, tryMeasureVerity } from '#host';
import type { Finding, FindingKind } from './findings.ts';
import { FAN_OUT, OBJECTS, objectNameLength } from './layout.ts';
import { objectIdIn } from './objects.ts';
import { hashFile } from './verity.ts';

/** Plain data: which objects to check. Several threads may share one, each takes the next fan-out directory that nobody has. */
export interface ObjectCheck {
  readonly objectsFd: number;
  readonly algorithm: VerityAlgorithm;
  readonly insecure: boolean;
  /** One int32: the number of the next fan-out directory, taken atomically. */
  readonly next: SharedArrayBuffer;
}

/** What the check of objects found. */
export interface ObjectCheckResult {
  readonly checked: number;
  readonly corrupted: number;
  readonly findings: readonly Finding[];
}

/** What may happen while objects are checked. */
export interface ObjectCheckHooks {
  /** Called after each fan-out directory with the number of objects checked since the last call. */
  readonly onAdvance?: (objects: number) => void;
  readonly isCancelled?: () => boolean;
}

/** Starts the shared counter of a check. */
export function createObjectCheck(
  objectsFd: number,
  algorithm: VerityAlgorithm,
  insecure: boolean,
): ObjectCheck {
  return { objectsFd, algorithm, insecure, next: new SharedArrayBuffer(4) };
}

/** Checks name, protection and content of objects until every fan-out directory is taken. Findings are values; it never throws for them. */
export function checkObjects(check: ObjectCheck, hooks: ObjectCheckHooks = {}): ObjectCheckResult {
  // The descriptor belongs to the repository, so this handle is never disposed.
  const objects = new Dir(check.objectsFd, OBJECTS);
  const next = new Int32Array(check.next);
  const findings: Finding[] = [];
  let checked = 0;
  let corrupted = 0;
  for (;;) {
    const fanOut = FAN_OUT[Atomics.add(next, 0, 1)];
    if (fanOut === undefined || hooks.isCancelled?.() === true) break;
    using dir = openOptional(objects, fanOut);
    let here = 0;
    for (const entry of dir?.readEntries() ?? []) {
      here += 1;
      const finding = dir === undefined ? undefined : checkObject(dir, fanOut, entry, check);
      if (finding === undefined) continue;
      corrupted += 1;
      findings.push(finding);
    }
    checked += here;
    hooks.onAdvance?.(here);
  }
  return { checked, corrupted, findings };
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
