import type { ByteString } from '#base/bytes';
import { FormatError } from '#base/errors';
import { STEP_ITEMS, type Steps } from '#base/flow';
import {
  DEPTH_LIMIT,
  Directory,
  type ImageOverrides,
  isWhiteout,
  type Leaf,
  type LeafIndex,
  NO_XATTRS,
  type Stat,
  sortedNames,
  type Tree,
  verifyTreeInSteps,
} from '#formats/tree';
import { type ErofsVersion, STUB_COUNT, STUB_MODE, STUB_NAMES } from '../layout.ts';

/** Value of `leafOf` for a directory and for a stub whiteout. */
export const NOT_A_LEAF = { directory: -1, stub: -2 } as const;

/** The inodes of an image in order, as columns; `children` and `names` hold all directory entries, per directory. */
export interface InodeList {
  readonly count: number;
  /** Leaf index, or one of {@link NOT_A_LEAF}. */
  readonly leafOf: Int32Array;
  /** Directory position (into the `directory…` columns) of a directory inode. */
  readonly directoryOf: Int32Array;
  readonly directories: Directory[];
  readonly directoryInode: number[];
  readonly directoryParent: number[];
  /** First entry of a directory; `directoryEnd` is the end, exclusive. */
  readonly directoryFirst: number[];
  readonly directoryEnd: number[];
  readonly names: string[];
  readonly children: Int32Array;
  /** Number of names of each leaf. */
  readonly linkCounts: Uint32Array;
  readonly stubStat: Stat;
}

/** Stat of the stubs: mode 0644, owner and mtime of the root, and of its xattrs the SELinux label. Source: core spec 5.4 */
export function stubStatOf(root: Stat): Stat {
  const label = root.xattrs.get('security.selinux' as ByteString);
  const xattrs =
    label === undefined ? NO_XATTRS : new Map([['security.selinux' as ByteString, label]]);
  return { ...root, mode: STUB_MODE, xattrs };
}

/**
 * Numbers the inodes of a tree in the order of a version: breadth first with stubs (V0, V1) or depth first (V2).
 * @throws FormatError TREE_INVALID on a tree that no image can hold. Source: core spec 5.2, 5.4
 */
export function* listInodes(
  tree: Tree,
  version: ErofsVersion,
  overrides?: ImageOverrides,
): Steps<InodeList> {
  const size = yield* countEntries(tree.root);
  const linkCounts = yield* verifyTreeInSteps(tree);
  const list = new Numbering(tree, { size, linkCounts, homes: overrides?.homes });
  yield;
  if (version === 2) yield* list.depthFirst();
  else yield* list.breadthFirst();
  return list.finish();
}

type Homes = ReadonlyMap<LeafIndex, { readonly directory: Directory; readonly name: string }>;

class Numbering {
  readonly #tree: Tree;
  readonly #linkCounts: Uint32Array;
  readonly #homes: Homes;
  readonly #leafOf: Int32Array;
  readonly #directoryOf: Int32Array;
  readonly #inodeOfLeaf: Int32Array;
  readonly #children: Int32Array;
  readonly #names: string[] = [];
  readonly #directories: Directory[] = [];
  readonly #directoryInode: number[] = [];
  readonly #directoryParent: number[] = [];
  readonly #directoryFirst: number[] = [];
  readonly #directoryEnd: number[] = [];
  #count = 0;

  constructor(tree: Tree, { size, linkCounts, homes }: Counted) {
    this.#tree = tree;
    this.#linkCounts = linkCounts;
    const { entries, directories } = size;
    const inodes = tree.leaves.length + directories + STUB_COUNT;
    this.#leafOf = new Int32Array(inodes);
    this.#directoryOf = new Int32Array(inodes).fill(-1);
    this.#inodeOfLeaf = new Int32Array(tree.leaves.length).fill(-1);
    this.#children = new Int32Array(entries + STUB_COUNT);
    this.#homes = homes ?? new Map();
  }

  finish(): InodeList {
    const children = this.#children.subarray(0, this.#names.length);
    for (let at = 0; at < children.length; at += 1) {
      const child = children[at] as number;
      if (child < 0) children[at] = this.#inodeOfLeaf[-child - 1] as number;
    }
    return {
      count: this.#count,
      leafOf: this.#leafOf,
      directoryOf: this.#directoryOf,
      directories: this.#directories,
      directoryInode: this.#directoryInode,
      directoryParent: this.#directoryParent,
      directoryFirst: this.#directoryFirst,
      directoryEnd: this.#directoryEnd,
      names: this.#names,
      children,
      linkCounts: this.#linkCounts,
      stubStat: stubStatOf(this.#tree.root.stat),
    };
  }

  *breadthFirst(): Steps<void> {
    const homes = this.#firstHomes();
    this.#addDirectory(this.#tree.root, 0);
    for (let at = 0; at < this.#directories.length; at += 1) {
      const directory = this.#directories[at] as Directory;
      const inode = this.#directoryInode[at] as number;
      this.#directoryFirst[at] = this.#names.length;
      const names = at === 0 ? namesWithStubs(directory) : sortedNames(directory);
      for (const name of names) {
        const child = directory.entries.get(name);
        const entry = this.#names.push(name) - 1;
        if (entry % STEP_ITEMS === 0) yield;
        if (child === undefined) this.#children[entry] = this.#addInode(NOT_A_LEAF.stub);
        else if (typeof child !== 'number') {
          this.#children[entry] = this.#addDirectory(child, inode);
        } else if (this.#isHome(child, directory, name, homes)) {
          this.#children[entry] = this.#addLeaf(child);
        } else this.#children[entry] = -child - 1;
      }
      this.#directoryEnd[at] = this.#names.length;
    }
  }

  *depthFirst(): Steps<void> {
    interface Frame {
      readonly directory: Directory;
      readonly inode: number;
      readonly names: ByteString[];
      readonly first: number;
      next: number;
    }
    const open = (directory: Directory, parent: number): Frame => {
      const at = this.#directories.length;
      const inode = this.#addDirectory(directory, parent);
      const names = sortedNames(directory);
      const first = this.#names.length;
      for (const name of names) this.#names.push(name);
      this.#directoryFirst[at] = first;
      this.#directoryEnd[at] = first + names.length;
      return { directory, inode, names, first, next: 0 };
    };
    const stack = [open(this.#tree.root, 0)];
    let done = 0;
    for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
      done += 1;
      if (done % STEP_ITEMS === 0) yield;
      const entry = frame.first + frame.next;
      const name = frame.names[frame.next];
      if (name === undefined) {
        stack.pop();
        continue;
      }
      frame.next += 1;
      const child = frame.directory.entries.get(name);
      if (child instanceof Directory) {
        this.#children[entry] = this.#count;
        stack.push(open(child, frame.inode));
      } else this.#children[entry] = this.#addLeaf(child as number);
    }
  }

  #addInode(leaf: number): number {
    this.#leafOf[this.#count] = leaf;
    this.#count += 1;
    return this.#count - 1;
  }

  #addDirectory(directory: Directory, parent: number): number {
    const inode = this.#addInode(NOT_A_LEAF.directory);
    this.#directoryOf[inode] = this.#directories.push(directory) - 1;
    this.#directoryInode.push(inode);
    this.#directoryParent.push(parent);
    return inode;
  }

  #addLeaf(leaf: LeafIndex): number {
    const known = this.#inodeOfLeaf[leaf] as number;
    if (known >= 0) return known;
    const inode = this.#addInode(leaf);
    this.#inodeOfLeaf[leaf] = inode;
    return inode;
  }

  #isHome(
    leaf: LeafIndex,
    directory: Directory,
    name: string,
    homes: ReadonlyMap<LeafIndex, Directory>,
  ): boolean {
    if (this.#linkCounts[leaf] === 1) return true;
    const own = this.#homes.get(leaf);
    if (own !== undefined) return own.directory === directory && own.name === name;
    return homes.get(leaf) === directory;
  }

  /** The directory of the first name of each multi-link leaf, depth first in byte order. */
  #firstHomes(): Map<LeafIndex, Directory> {
    const homes = new Map<LeafIndex, Directory>();
    let wanted = 0;
    for (let leaf = 0; leaf < this.#linkCounts.length; leaf += 1) {
      if ((this.#linkCounts[leaf] as number) > 1 && !this.#homes.has(leaf)) wanted += 1;
    }
    if (wanted === 0) return homes;
    const stack: { directory: Directory; names: ByteString[]; next: number }[] = [
      { directory: this.#tree.root, names: sortedNames(this.#tree.root), next: 0 },
    ];
    for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
      const name = frame.names[frame.next];
      frame.next += 1;
      const child = name === undefined ? undefined : frame.directory.entries.get(name);
      if (child === undefined) stack.pop();
      else if (child instanceof Directory) {
        stack.push({ directory: child, names: sortedNames(child), next: 0 });
      } else if ((this.#linkCounts[child] as number) > 1 && !homes.has(child)) {
        homes.set(child, frame.directory);
        if (homes.size === wanted) return homes;
      }
    }
    return homes;
  }
}

interface TreeSize {
  readonly entries: number;
  readonly directories: number;
}

/** What is known of a tree before its inodes are numbered. */
interface Counted {
  readonly size: TreeSize;
  readonly linkCounts: Uint32Array;
  readonly homes: Homes | undefined;
}

function* countEntries(root: Directory): Steps<TreeSize> {
  let entries = 0;
  let directories = 0;
  const seen = new Set([root]);
  let depth = 0;
  for (let level = [root]; level.length > 0; depth += 1) {
    if (depth >= DEPTH_LIMIT) throw tooDeep();
    const below: Directory[] = [];
    for (const directory of level) {
      entries += directory.entries.size;
      directories += 1;
      for (const child of directory.entries.values()) {
        if (typeof child === 'number') continue;
        if (seen.has(child)) throw twice();
        seen.add(child);
        below.push(child);
      }
      if (directories % STEP_ITEMS === 0) yield;
    }
    yield;
    level = below;
  }
  return { entries, directories };
}

/** Error for a tree deeper than the readers' limit: such an image could be written but never read. */
function tooDeep(): FormatError {
  return new FormatError(
    'TREE_INVALID',
    `Cannot write the tree: expected at most ${DEPTH_LIMIT} levels of directories, found more`,
    { offset: DEPTH_LIMIT, what: 'tree depth' },
  );
}

function twice(): FormatError {
  return new FormatError(
    'TREE_INVALID',
    'Cannot write the tree: expected every directory once, found one with two names',
    { offset: 0, what: 'directory' },
  );
}

function namesWithStubs(root: Directory): ByteString[] {
  const names = [...root.entries.keys()];
  for (const name of STUB_NAMES) {
    if (!root.entries.has(name as ByteString)) names.push(name as ByteString);
  }
  return names.sort();
}

/**
 * True when composefs-rs mistakes a leaf of the root for one of its own stubs, and therefore does not escape it.
 * Source: core spec 5.4 (last paragraph on whiteouts)
 */
export function looksLikeStub(name: string, leaf: Leaf, stub: Stat): boolean {
  if (!isWhiteout(leaf) || !/^[0-9a-f]{2}$/.test(name)) return false;
  const { stat } = leaf;
  return (
    stat.mode === STUB_MODE &&
    stat.uid === stub.uid &&
    stat.gid === stub.gid &&
    stat.mtimeSec === stub.mtimeSec &&
    stat.mtimeNsec === stub.mtimeNsec &&
    sameXattrs(stat.xattrs, stub.xattrs)
  );
}

function sameXattrs(
  a: ReadonlyMap<ByteString, Uint8Array>,
  b: ReadonlyMap<ByteString, Uint8Array>,
): boolean {
  if (a.size !== b.size) return false;
  for (const [name, value] of a) {
    const other = b.get(name);
    if (other === undefined || Buffer.compare(value, other) !== 0) return false;
  }
  return true;
}
