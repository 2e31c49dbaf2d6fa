import type { ByteString } from '#base/bytes';
import type { OstreeChecksum } from '#base/digest';
import {
  type CommitEntry,
  directoryEntry,
  fileEntry,
  findEntry,
  listEntries,
  readTree,
} from './entries.ts';
import type { OpenedCommit } from './open.ts';

/** A path that differs between two commits. */
export interface CommitChange {
  readonly change: 'modified' | 'deleted' | 'added';
  readonly path: ByteString;
  readonly before: CommitEntry | undefined;
  readonly after: CommitEntry | undefined;
}

type Name =
  | { readonly kind: 'leaf'; readonly checksum: OstreeChecksum }
  | { readonly kind: 'directory'; readonly tree: OstreeChecksum; readonly meta: OstreeChecksum };

/**
 * Compares two commits, in order of paths. Directories with equal ids are skipped. A directory counts as modified if its own metadata
 * differs. A deleted directory is one change; an added directory is a change for each of its entries.
 * @throws as `listEntries`
 */
export function* compareCommits(
  before: OpenedCommit,
  after: OpenedCommit,
): Generator<CommitChange> {
  const roots = [findEntry(before, '/'), findEntry(after, '/')] as const;
  yield* compareDirectories(before, after, ...roots);
}

function* compareDirectories(
  before: OpenedCommit,
  after: OpenedCommit,
  ours: CommitEntry,
  theirs: CommitEntry,
): Generator<CommitChange> {
  const pending = [[ours, theirs] as const];
  for (let pair = pending.pop(); pair !== undefined; pair = pending.pop()) {
    const [left, right] = pair;
    if (left.meta !== right.meta) {
      yield { change: 'modified', path: left.path, before: left, after: right };
    }
    if (left.checksum === right.checksum) continue;
    const [namesLeft, namesRight] = [namesOf(before, left), namesOf(after, right)];
    const base = left.path === '/' ? '' : left.path;
    const entered: (readonly [CommitEntry, CommitEntry])[] = [];
    for (const name of [...new Set([...namesLeft.keys(), ...namesRight.keys()])].sort()) {
      const path = `${base}/${name}` as ByteString;
      const [a, b] = [namesLeft.get(name), namesRight.get(name)];
      const old = a === undefined ? undefined : entryOf(before, path, a);
      const fresh = b === undefined ? undefined : entryOf(after, path, b);
      if (old === undefined) yield* added(after, fresh as CommitEntry);
      else if (fresh === undefined) {
        yield { change: 'deleted', path, before: old, after: undefined };
      } else if (old.kind === 'directory' && fresh.kind === 'directory') {
        if (old.checksum !== fresh.checksum || old.meta !== fresh.meta) entered.push([old, fresh]);
      } else if (old.kind === 'directory' || fresh.kind === 'directory') {
        yield { change: 'modified', path, before: old, after: fresh };
        if (fresh.kind === 'directory') yield* added(after, fresh, true);
      } else if (old.checksum !== fresh.checksum) {
        yield { change: 'modified', path, before: old, after: fresh };
      }
    }
    pending.push(...entered.toReversed());
  }
}

function* added(
  after: OpenedCommit,
  entry: CommitEntry,
  skipSelf = false,
): Generator<CommitChange> {
  const path = Buffer.from(entry.path, 'latin1').toString('utf8');
  for (const one of listEntries(after, path, { recursive: true })) {
    if (skipSelf && one.path === entry.path) continue;
    yield { change: 'added', path: one.path, before: undefined, after: one };
  }
}

function namesOf(stored: OpenedCommit, directory: CommitEntry): Map<ByteString, Name> {
  const { files, directories } = readTree(stored, directory.checksum);
  const names = new Map<ByteString, Name>();
  for (const { name, checksum } of files) names.set(name, { kind: 'leaf', checksum });
  for (const { name, tree, meta } of directories)
    names.set(name, { kind: 'directory', tree, meta });
  return names;
}

function entryOf(stored: OpenedCommit, path: ByteString, name: Name): CommitEntry {
  return name.kind === 'leaf'
    ? fileEntry(stored, path, name.checksum)
    : directoryEntry(stored, path, name.tree, name.meta);
}
