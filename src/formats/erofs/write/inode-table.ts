import { FormatError } from '#base/errors';
import { STEP_ITEMS, type Steps } from '#base/flow';
import {
  type DeviceLeaf,
  type ImageOverrides,
  isWhiteout,
  leafAt,
  type Stat,
  type SymlinkLeaf,
  type Tree,
} from '#formats/tree';
import { type ErofsVersion, FILE_SIZE_LIMIT, FILE_TYPES } from '../layout.ts';
import { type InodeList, looksLikeStub, NOT_A_LEAF } from './inode-list.ts';
import { ObjectTable } from './object-table.ts';
import { StatColumns } from './stat-columns.ts';
import { EXTRA, type XattrEntry, type XattrSet, XattrTable } from './xattr-table.ts';

/** Kind of inode as written. An escaped whiteout is an empty regular file. */
export const KIND = {
  directory: 0,
  inline: 1,
  chunked: 2,
  symlink: 3,
  chr: 4,
  blk: 5,
  fifo: 6,
  socket: 7,
  whiteout: 8,
} as const;

/** File type of a directory entry by {@link KIND}. */
export const FILE_TYPE_OF_KIND = [
  FILE_TYPES.directory,
  FILE_TYPES.regular,
  FILE_TYPES.regular,
  FILE_TYPES.symlink,
  FILE_TYPES.chr,
  FILE_TYPES.blk,
  FILE_TYPES.fifo,
  FILE_TYPES.socket,
  FILE_TYPES.regular,
] as const;

/** Values of the columns `metacopy` and `redirect` that are not positions in the object table. */
export const NO_OBJECT = { absent: -1, other: -2 } as const;

/** Everything about the inodes of an image except their placement, as columns by inode number. */
export interface InodeTable {
  readonly list: InodeList;
  readonly kind: Uint8Array;
  readonly stats: StatColumns;
  readonly sets: XattrSet[];
  readonly sizeBytes: Float64Array;
  readonly nlink: Uint32Array;
  /** Position in the object table; -1 for none, -2 for the empty metacopy. */
  readonly metacopy: Int32Array;
  /** Position in the object table; -1 for none, -2 for one of `redirects`. */
  readonly redirect: Int32Array;
  /** Redirects that are not object paths, by inode. */
  readonly redirects: ReadonlyMap<number, XattrEntry>;
  readonly objects: ObjectTable;
  readonly xattrs: XattrTable;
  /** An inode with the smallest mtime. */
  readonly minimum: number;
}

/** Options, besides the tree, that determine an image. */
export interface TableOptions {
  readonly version: ErofsVersion;
  readonly digestBytes: number;
  /** Follow C where it differs from composefs-rs. */
  readonly likeC: boolean;
  readonly overrides: ImageOverrides | undefined;
}

/** Fills the columns of an image. @throws FormatError TREE_INVALID */
export function describeInodes(
  tree: Tree,
  list: InodeList,
  options: TableOptions,
): Steps<InodeTable> {
  return new Describer(tree, list, options).run();
}

class Describer {
  readonly #tree: Tree;
  readonly #list: InodeList;
  readonly #options: TableOptions;
  readonly #objects: ObjectTable;
  readonly #xattrs: XattrTable;
  readonly #kind: Uint8Array;
  readonly #stats: StatColumns;
  readonly #sets: XattrSet[] = [];
  readonly #sizeBytes: Float64Array;
  readonly #nlink: Uint32Array;
  readonly #metacopy: Int32Array;
  readonly #redirect: Int32Array;
  readonly #redirects = new Map<number, XattrEntry>();

  constructor(tree: Tree, list: InodeList, options: TableOptions) {
    this.#tree = tree;
    this.#list = list;
    this.#options = options;
    this.#objects = new ObjectTable(options.digestBytes, tree.leaves);
    const { version, likeC } = options;
    this.#xattrs = new XattrTable({ version, likeC }, this.#objects);
    this.#kind = new Uint8Array(list.count);
    this.#stats = new StatColumns(list.count);
    this.#sizeBytes = new Float64Array(list.count);
    this.#nlink = new Uint32Array(list.count);
    this.#metacopy = new Int32Array(list.count).fill(NO_OBJECT.absent);
    this.#redirect = new Int32Array(list.count).fill(NO_OBJECT.absent);
  }

  *run(): Steps<InodeTable> {
    const escaped = this.#escapedWhiteouts();
    const withWhiteouts = this.#parentsOf(escaped);
    const { count } = this.#list;
    for (let inode = 0; inode < count; inode += 1) {
      if (inode % STEP_ITEMS === 0) yield;
      this.#inode(inode, escaped, withWhiteouts);
    }
    yield;
    this.#xattrs.share();
    yield;
    return {
      list: this.#list,
      kind: this.#kind,
      stats: this.#stats,
      sets: this.#sets,
      sizeBytes: this.#sizeBytes,
      nlink: this.#nlink,
      metacopy: this.#metacopy,
      redirect: this.#redirect,
      redirects: this.#redirects,
      objects: this.#objects,
      xattrs: this.#xattrs,
      minimum: this.#stats.findMinimum(this.#options.likeC),
    };
  }

  #inode(inode: number, escaped: ReadonlySet<number>, withWhiteouts: ReadonlySet<number>): void {
    const { leafOf, directoryOf, stubStat } = this.#list;
    const leaf = leafOf[inode] as number;
    if (leaf === NOT_A_LEAF.stub) {
      this.#kind[inode] = KIND.chr;
      this.#nlink[inode] = 1;
      this.#add(inode, stubStat, EXTRA.none);
    } else if (leaf === NOT_A_LEAF.directory) {
      this.#directory(inode, directoryOf[inode] as number, withWhiteouts);
    } else this.#leaf(inode, leaf, escaped.has(leaf));
  }

  /** Leaves that V0 and V1 write as regular files with markers, so that overlayfs does not treat them as its own whiteouts. */
  #escapedWhiteouts(): Set<number> {
    const escaped = new Set<number>();
    if (this.#options.version === 2) return escaped;
    const { leaves } = this.#tree;
    for (let index = 0; index < leaves.length; index += 1) {
      if (leaves.kindAt(index) === 'chr' && isWhiteout(leafAt(this.#tree, index)))
        escaped.add(index);
    }
    if (escaped.size === 0 || this.#options.likeC) return escaped;
    for (const [name, inode] of this.#tree.root.entries) {
      if (typeof inode !== 'number' || !escaped.has(inode)) continue;
      const leaf = leafAt(this.#tree, inode);
      if (looksLikeStub(name, leaf, this.#list.stubStat)) escaped.delete(inode);
    }
    return escaped;
  }

  /** Positions of the directories that hold an escaped whiteout. */
  #parentsOf(escaped: ReadonlySet<number>): Set<number> {
    const parents = new Set<number>();
    if (escaped.size === 0) return parents;
    for (const [position, directory] of this.#list.directories.entries()) {
      for (const inode of directory.entries.values()) {
        if (typeof inode !== 'number' || !escaped.has(inode)) continue;
        parents.add(position);
        break;
      }
    }
    return parents;
  }

  #add(inode: number, stat: Stat, extras: number): void {
    this.#stats.set(inode, stat);
    this.#sets.push(this.#xattrs.use(stat.xattrs, extras));
  }

  #directory(inode: number, position: number, withWhiteouts: ReadonlySet<number>): void {
    const directory = this.#list.directories[position];
    if (directory === undefined) return;
    let subdirectories = 0;
    for (const child of directory.entries.values()) {
      if (typeof child !== 'number') subdirectories += 1;
    }
    this.#nlink[inode] = 2 + subdirectories;
    this.#kind[inode] = KIND.directory;
    const root = inode === 0 && this.#options.version !== 2 ? EXTRA.root : EXTRA.none;
    this.#add(inode, directory.stat, root | (withWhiteouts.has(position) ? EXTRA.whiteouts : 0));
  }

  #leaf(inode: number, index: number, isEscaped: boolean): void {
    const { leaves } = this.#tree;
    const kind = leaves.kindAt(index);
    this.#nlink[inode] =
      this.#options.overrides?.linkCounts.get(index) ?? (this.#list.linkCounts[index] as number);
    switch (kind) {
      case 'inline':
        this.#kind[inode] = KIND.inline;
        this.#sizeBytes[inode] = leaves.sizeAt(index);
        break;
      case 'symlink':
        this.#kind[inode] = KIND.symlink;
        this.#sizeBytes[inode] = (leafAt(this.#tree, index) as SymlinkLeaf).target.length;
        break;
      case 'external':
      case 'externalNoVerity':
      case 'sparse':
        this.#kind[inode] = KIND.chunked;
        this.#sizeBytes[inode] = checkedSize(leaves.sizeAt(index));
        this.#external(inode, index, kind);
        break;
      case 'chr':
      case 'blk': {
        const { rdev } = leafAt(this.#tree, index) as DeviceLeaf;
        if (!(rdev >= 0 && rdev <= 0xffffffff)) throw badDevice(rdev);
        this.#kind[inode] = isEscaped ? KIND.whiteout : KIND[kind];
        break;
      }
      default:
        this.#kind[inode] = KIND[kind];
    }
    this.#add(inode, leaves.statAt(index), isEscaped ? EXTRA.whiteout : EXTRA.none);
  }

  #external(inode: number, index: number, kind: 'external' | 'externalNoVerity' | 'sparse'): void {
    const objects = this.#objects;
    const position = kind === 'external' ? objects.positionOf(index) : NO_OBJECT.other;
    this.#metacopy[inode] = position;
    if (position >= 0) increment(objects.metacopyCount, position);
    else this.#xattrs.emptyMetacopy.count += 1;
    if (kind === 'sparse') return;
    const payloads = this.#options.overrides?.payloads;
    if (payloads?.has(index)) this.#redirectTo(inode, payloads.get(index));
    else this.#redirectToObject(inode, position >= 0 ? position : objects.positionOf(index));
  }

  #redirectTo(inode: number, payload: string | undefined): void {
    if (payload === undefined) return;
    const id = `${payload.slice(0, 2)}${payload.slice(3)}`;
    const isObjectPath =
      payload[2] === '/' && /^[0-9a-f]*$/.test(id) && id.length === this.#objects.digestBytes * 2;
    if (isObjectPath) {
      this.#redirectToObject(inode, this.#objects.position(id));
      return;
    }
    this.#redirect[inode] = NO_OBJECT.other;
    this.#redirects.set(inode, this.#xattrs.useRedirect(payload));
  }

  #redirectToObject(inode: number, position: number): void {
    this.#redirect[inode] = position;
    increment(this.#objects.redirectCount, position);
  }
}

function increment(counts: Uint32Array, position: number): void {
  counts[position] = (counts[position] as number) + 1;
}

/** Largest file: 1024 chunks of 2^43 bytes. Source: core spec 5.6 */
function checkedSize(sizeBytes: number): number {
  if (Number.isInteger(sizeBytes) && sizeBytes >= 0 && sizeBytes <= FILE_SIZE_LIMIT) {
    return sizeBytes;
  }
  throw new FormatError(
    'TREE_INVALID',
    `Cannot write a file of ${sizeBytes} bytes: expected at most ${FILE_SIZE_LIMIT}`,
    { offset: 0, what: 'file size' },
  );
}

function badDevice(rdev: number): FormatError {
  return new FormatError(
    'TREE_INVALID',
    `Cannot write device number ${rdev}: expected a number of 32 bits`,
    { offset: 0, what: 'device number' },
  );
}
