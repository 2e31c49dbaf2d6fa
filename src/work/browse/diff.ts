import { type ByteString, concatBytes, equalBytes } from '#base/bytes';
import { inTurns, type OperationOptions, type Steps } from '#base/flow';
import type { ImageView, ViewEntry } from './view.ts';

/** A property in which two files of one path differ. */
export type Difference =
  | 'kind'
  | 'content'
  | 'mode'
  | 'owner'
  | 'mtime'
  | 'target'
  | 'rdev'
  | 'xattrs'
  | 'links';

/** One path that differs between the images. */
export interface FileChange {
  readonly path: ByteString;
  readonly change: 'added' | 'removed' | 'changed';
  /** The differing properties; empty for an added or removed path. */
  readonly differences: readonly Difference[];
  readonly before: ViewEntry | undefined;
  readonly after: ViewEntry | undefined;
}

/**
 * Compares the files of two images, path by path in the order of a walk. Contents are compared by object id, so only the images are read;
 * images with different algorithms differ in every object.
 * @throws as `ImageView.walk`
 */
export function* diffViews(before: ImageView, after: ImageView): Generator<FileChange> {
  for (const change of comparePairs(before, after)) if (change !== undefined) yield change;
}

/** As `diffViews`, all at once, and lets events have their turn: equal images may be large. @throws also the signal's reason */
export async function listChanges(
  before: ImageView,
  after: ImageView,
  options: OperationOptions = {},
): Promise<FileChange[]> {
  return await inTurns(collect(comparePairs(before, after)), options);
}

function* collect(pairs: Iterable<FileChange | undefined>): Steps<FileChange[]> {
  const changes: FileChange[] = [];
  for (const change of pairs) {
    yield;
    if (change !== undefined) changes.push(change);
  }
  return changes;
}

/** One path after the other; undefined for one that is the same in both. */
function* comparePairs(before: ImageView, after: ImageView): Generator<FileChange | undefined> {
  const root = '/' as ByteString;
  const left = before.walk(root);
  const right = after.walk(root);
  let a = left.next().value as ViewEntry | undefined;
  let b = right.next().value as ViewEntry | undefined;
  while (a !== undefined || b !== undefined) {
    const order = a === undefined ? 1 : b === undefined ? -1 : comparePaths(a.path, b.path);
    if (order === 0 && a !== undefined && b !== undefined) {
      const differences = differencesOf(before, a, after, b);
      if (differences.length > 0) {
        yield { path: a.path, change: 'changed', differences, before: a, after: b };
      } else yield undefined;
    } else if (order < 0 && a !== undefined) {
      yield { path: a.path, change: 'removed', differences: [], before: a, after: undefined };
    } else if (b !== undefined) {
      yield { path: b.path, change: 'added', differences: [], before: undefined, after: b };
    }
    if (order <= 0) a = left.next().value as ViewEntry | undefined;
    if (order >= 0) b = right.next().value as ViewEntry | undefined;
  }
}

/** The order of a walk: by components, a directory before its entries. */
function comparePaths(a: ByteString, b: ByteString): number {
  const left = a.replaceAll('/', '\0');
  const right = b.replaceAll('/', '\0');
  return left < right ? -1 : left > right ? 1 : 0;
}

function differencesOf(
  before: ImageView,
  a: ViewEntry,
  after: ImageView,
  b: ViewEntry,
): Difference[] {
  const found: Difference[] = [];
  const note = (what: Difference, isDifferent: boolean) => {
    if (isDifferent) found.push(what);
  };
  note('kind', a.kind !== b.kind);
  note('content', a.kind === 'file' && b.kind === 'file' && !hasSameContent(before, a, after, b));
  note('mode', a.mode !== b.mode);
  note('owner', a.uid !== b.uid || a.gid !== b.gid);
  note('mtime', a.mtimeSec !== b.mtimeSec || a.mtimeNsec !== b.mtimeNsec);
  note('target', a.target !== b.target);
  note('rdev', a.rdev !== b.rdev);
  note('xattrs', !hasSameXattrs(before.xattrs(a), after.xattrs(b)));
  note('links', a.kind === 'file' && b.kind === 'file' && a.linkCount !== b.linkCount);
  return found;
}

function hasSameContent(before: ImageView, a: ViewEntry, after: ImageView, b: ViewEntry): boolean {
  if (a.sizeBytes !== b.sizeBytes || a.objectId !== b.objectId) return false;
  if (a.objectId !== undefined || (a.isSparse && b.isSparse)) return true;
  if (a.isSparse || b.isSparse) return false;
  return equalBytes(concatBytes([...before.read(a)]), concatBytes([...after.read(b)]));
}

function hasSameXattrs(
  a: ReadonlyMap<ByteString, Uint8Array>,
  b: ReadonlyMap<ByteString, Uint8Array>,
): boolean {
  if (a.size !== b.size) return false;
  return [...a].every(([name, value]) => {
    const other = b.get(name);
    return other !== undefined && equalBytes(value, other);
  });
}
