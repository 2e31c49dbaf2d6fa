import type { ByteString } from '#base/bytes';
import { FormatError, NotFoundError } from '#base/errors';
import { atOnce, STEP_ITEMS, type Steps } from '#base/flow';
import {
  Directory,
  type Inode,
  isRegular,
  isWhiteout,
  type Leaf,
  type LeafIndex,
  type RegularLeaf,
  type Stat,
  sortedEntries,
  type Tree,
} from './model.ts';

/**
 * Most levels of directories in a tree, including the root: writers refuse more, and readers stop there. Linux cannot open deeper
 * paths. Source: core spec 6.6.
 */
export const DEPTH_LIMIT = 2048;

function components(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '');
  for (const part of parts) {
    if (part === '.' || part === '..') {
      throw new FormatError('TREE_PATH_INVALID', `Cannot look up "${path}": "${part}" is no name`, {
        offset: path.indexOf(part),
        what: 'path',
      });
    }
  }
  return parts;
}

function step(directory: Inode, name: string, path: string): Inode | undefined {
  if (!(directory instanceof Directory)) {
    throw new NotFoundError('TREE_NOT_A_DIRECTORY', `Cannot look up "${path}": not a directory`, {
      path,
    });
  }
  return directory.entries.get(name as ByteString);
}

/**
 * Finds the inode at a path; the leading slash is optional, trailing slashes are ignored, symlinks are not followed.
 * @throws FormatError TREE_PATH_INVALID on `.` or `..`, NotFoundError TREE_NOT_A_DIRECTORY through a leaf
 */
export function findPath(tree: Tree, path: string): Inode | undefined {
  let at: Inode | undefined = tree.root;
  for (const name of components(path)) {
    at = step(at, name, path);
    if (at === undefined) return undefined;
  }
  return at;
}

/** Like {@link findPath}. @throws NotFoundError TREE_PATH_NOT_FOUND when the path does not exist */
export function lookupPath(tree: Tree, path: string): Inode {
  const found = findPath(tree, path);
  if (found === undefined) {
    throw new NotFoundError('TREE_PATH_NOT_FOUND', `Cannot find "${path}" in the tree`, { path });
  }
  return found;
}

/** Returns the directory at a path. @throws as {@link lookupPath}, and NotFoundError TREE_NOT_A_DIRECTORY */
export function lookupDirectory(tree: Tree, path: string): Directory {
  const found = lookupPath(tree, path);
  if (found instanceof Directory) return found;
  throw new NotFoundError('TREE_NOT_A_DIRECTORY', `Cannot open "${path}": not a directory`, {
    path,
  });
}

/** Returns the leaf index at a path. @throws as {@link lookupPath}, and NotFoundError TREE_IS_A_DIRECTORY */
export function lookupLeaf(tree: Tree, path: string): LeafIndex {
  const found = lookupPath(tree, path);
  if (typeof found === 'number') return found;
  throw new NotFoundError('TREE_IS_A_DIRECTORY', `Cannot open "${path}": is a directory`, { path });
}

/** Returns the regular file at a path. @throws as {@link lookupLeaf}, and NotFoundError TREE_NOT_REGULAR */
export function lookupFile(tree: Tree, path: string): RegularLeaf {
  const leaf = leafAt(tree, lookupLeaf(tree, path));
  if (isRegular(leaf)) return leaf;
  throw new NotFoundError('TREE_NOT_REGULAR', `Cannot read "${path}": not a regular file`, {
    path,
  });
}

/**
 * Splits a path into its parent directory, which must exist, and its last name.
 * @throws as {@link lookupDirectory}; FormatError TREE_PATH_INVALID when there is no last name
 */
export function splitPath(tree: Tree, path: string): { parent: Directory; name: ByteString } {
  const parts = components(path);
  const name = parts.pop();
  if (name === undefined) {
    throw new FormatError('TREE_PATH_INVALID', `Cannot split "${path}": it has no last name`, {
      offset: 0,
      what: 'path',
    });
  }
  return { parent: lookupDirectory(tree, parts.join('/')), name: name as ByteString };
}

/** Returns the leaf with an index. @throws FormatError TREE_INVALID when there is none */
export function leafAt(tree: Tree, index: LeafIndex): Leaf {
  const leaf = tree.leaves.at(index);
  if (leaf === undefined) {
    throw new FormatError('TREE_INVALID', `Cannot use leaf ${index}: the tree has no such leaf`, {
      offset: index,
      what: 'leaf',
    });
  }
  return leaf;
}

/** Returns the stat of an inode. */
export function statOf(tree: Tree, inode: Inode): Stat {
  if (inode instanceof Directory) return inode.stat;
  return inode < tree.leaves.length ? tree.leaves.statAt(inode) : leafAt(tree, inode).stat;
}

/** Sets an entry. A directory over a directory replaces only the stat and keeps the children; otherwise the entry is replaced. */
export function mergeEntry(directory: Directory, name: ByteString, inode: Inode): void {
  const old = directory.entries.get(name);
  if (old instanceof Directory && inode instanceof Directory) old.stat = inode.stat;
  else directory.entries.set(name, inode);
}

/** Adds or replaces an entry; returns true when the name was new. */
export function insertEntry(directory: Directory, name: ByteString, inode: Inode): boolean {
  const isNew = !directory.entries.has(name);
  directory.entries.set(name, inode);
  return isNew;
}

/** Removes an entry and returns its inode. */
export function removeEntry(directory: Directory, name: ByteString): Inode | undefined {
  const old = directory.entries.get(name);
  directory.entries.delete(name);
  return old;
}

/** One step of {@link walkTree}: a path (`/` for the root, otherwise without trailing slash) and its inode. */
export interface TreeEntry {
  readonly path: ByteString;
  readonly name: ByteString;
  readonly depth: number;
  readonly inode: Inode;
}

/** Start of a walk: the inode, and the path reported for it. */
export interface WalkStart {
  readonly path: ByteString;
  readonly inode: Inode;
}

/**
 * Walks a tree depth first from its root or another start: a directory before its children, children in byte order.
 * @throws FormatError TREE_INVALID below {@link DEPTH_LIMIT}
 */
export function* walkTree(
  tree: Tree,
  start: WalkStart = { path: '/' as ByteString, inode: tree.root },
): Generator<TreeEntry> {
  const stack: TreeEntry[] = [{ ...start, name: '' as ByteString, depth: 0 }];
  for (let entry = stack.pop(); entry !== undefined; entry = stack.pop()) {
    yield entry;
    if (!(entry.inode instanceof Directory)) continue;
    if (entry.depth >= DEPTH_LIMIT) throw tooDeep(entry.depth);
    const prefix = entry.path.endsWith('/') ? entry.path : `${entry.path}/`;
    const children = sortedEntries(entry.inode);
    for (let at = children.length - 1; at >= 0; at -= 1) {
      const [name, inode] = children[at] as [ByteString, Inode];
      stack.push({ path: (prefix + name) as ByteString, name, depth: entry.depth + 1, inode });
    }
  }
}

function tooDeep(depth: number): FormatError {
  return new FormatError(
    'TREE_INVALID',
    `Cannot walk the tree: expected at most ${DEPTH_LIMIT} levels, found more`,
    { offset: depth, what: 'tree depth' },
  );
}

/** Yields every directory of a tree once, parents before children, in otherwise undefined order. */
export function* walkDirectories(from: Directory): Generator<Directory> {
  const stack = [from];
  for (let directory = stack.pop(); directory !== undefined; directory = stack.pop()) {
    yield directory;
    for (const inode of directory.entries.values()) {
      if (inode instanceof Directory) stack.push(inode);
    }
  }
}

/** Returns the greatest (mtimeSec, mtimeNsec) of a directory and everything below it. */
export function newestMtime(
  tree: Tree,
  from: Directory = tree.root,
): Pick<Stat, 'mtimeSec' | 'mtimeNsec'> {
  let newest: Pick<Stat, 'mtimeSec' | 'mtimeNsec'> = from.stat;
  const offer = (stat: Stat): void => {
    const { mtimeSec, mtimeNsec } = stat;
    if (
      mtimeSec > newest.mtimeSec ||
      (mtimeSec === newest.mtimeSec && mtimeNsec > newest.mtimeNsec)
    ) {
      newest = stat;
    }
  };
  for (const directory of walkDirectories(from)) {
    offer(directory.stat);
    for (const inode of directory.entries.values()) {
      if (typeof inode === 'number') offer(statOf(tree, inode));
    }
  }
  return { mtimeSec: newest.mtimeSec, mtimeNsec: newest.mtimeNsec };
}

/** Counts the entries that name each leaf, by leaf index. @throws FormatError TREE_INVALID on an index out of range */
export function countLinks(tree: Tree): Uint32Array {
  return atOnce(countLinksInSteps(tree));
}

function* countLinksInSteps(tree: Tree): Steps<Uint32Array> {
  const counts = new Uint32Array(tree.leaves.length);
  let entries = 0;
  for (const directory of walkDirectories(tree.root)) {
    for (const inode of directory.entries.values()) {
      if (typeof inode !== 'number') continue;
      if (inode >= counts.length) leafAt(tree, inode);
      counts[inode] = (counts[inode] as number) + 1;
    }
    entries += directory.entries.size;
    if (entries < STEP_ITEMS) continue;
    entries = 0;
    yield;
  }
  return counts;
}

/** Drops leaves that no entry names and renumbers the others, keeping their order. Returns the number of dropped leaves. */
export function compactTree(tree: Tree): number {
  const counts = countLinks(tree);
  if (!counts.includes(0)) return 0;
  const { length } = tree.leaves;
  const renumbered = tree.leaves.compact(counts);
  for (const { entries } of walkDirectories(tree.root)) {
    for (const [name, inode] of entries) {
      if (typeof inode === 'number') entries.set(name, renumbered[inode] as number);
    }
  }
  return length - tree.leaves.length;
}

/**
 * Verifies the requirements of every image writer: indices in range, no orphan leaves, no whiteout with more than one name.
 * @throws FormatError TREE_INVALID
 */
export function verifyTree(tree: Tree): Uint32Array {
  return atOnce(verifyTreeInSteps(tree));
}

/** As `verifyTree`, in steps. */
export function* verifyTreeInSteps(tree: Tree): Steps<Uint32Array> {
  const counts = yield* countLinksInSteps(tree);
  for (let index = 0; index < counts.length; index += 1) {
    if (index % STEP_ITEMS === 0) yield;
    const count = counts[index] as number;
    if (count === 1 || (count > 1 && !isWhiteout(leafAt(tree, index)))) continue;
    const reason = count === 0 ? 'no entry names it' : `a whiteout cannot have ${count} names`;
    throw new FormatError('TREE_INVALID', `Cannot use leaf ${index}: ${reason}`, {
      offset: index,
      what: 'leaf',
    });
  }
  return counts;
}

/** Replaces every regular leaf with the result of `replace`, called once per leaf, so hard links are kept. */
export function mapRegularLeaves(
  tree: Tree,
  replace: (leaf: Leaf, index: LeafIndex) => Leaf,
): void {
  const { leaves } = tree;
  for (let index = 0; index < leaves.length; index += 1) {
    const leaf = leafAt(tree, index);
    if (isRegular(leaf)) leaves.set(index, replace(leaf, index));
  }
}
