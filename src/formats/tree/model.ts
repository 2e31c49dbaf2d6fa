import type { ByteString } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { LeafList } from './leaves/leaf-list.ts';

/** Permission bits of a mode, including set-user-id, set-group-id and sticky. The file type is never kept in a stat. */
export const PERMISSION_BITS = 0o7777;

/**
 * Metadata of an inode. Immutable: create a new stat instead of changing one, because many inodes may share it.
 * `mode` holds permission bits only (07777). `mtimeSec` is signed, `mtimeNsec` below 10^9. Names of `xattrs` are full names.
 * Source: composefs core spec 7.1.
 */
export interface Stat {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSec: bigint;
  readonly mtimeNsec: number;
  readonly xattrs: ReadonlyMap<ByteString, Uint8Array>;
}

/** The shared empty map of inodes without xattrs. */
export const NO_XATTRS: ReadonlyMap<ByteString, Uint8Array> = new Map();

/** All fields zero: placeholder for a root whose metadata is not known yet. */
export const UNSET_STAT: Stat = {
  mode: 0,
  uid: 0,
  gid: 0,
  mtimeSec: 0n,
  mtimeNsec: 0,
  xattrs: NO_XATTRS,
};

/** Position in `Tree.leaves`. Two names with one index are hard links. */
export type LeafIndex = number;

/** A regular file whose bytes are stored in the image. */
export interface InlineLeaf {
  readonly kind: 'inline';
  readonly stat: Stat;
  readonly content: Uint8Array;
}
/** A regular file whose bytes are in an object that the kernel must verify. */
export interface ExternalLeaf {
  readonly kind: 'external';
  readonly stat: Stat;
  readonly id: ObjectId;
  readonly sizeBytes: number;
}
/** A regular file whose bytes are in an object that is not verified (metacopy without digest). */
export interface ExternalNoVerityLeaf {
  readonly kind: 'externalNoVerity';
  readonly stat: Stat;
  readonly id: ObjectId;
  readonly sizeBytes: number;
}
/** A regular file of zeros. */
export interface SparseLeaf {
  readonly kind: 'sparse';
  readonly stat: Stat;
  readonly sizeBytes: number;
}
/** A symbolic link; the target may be any bytes. */
export interface SymlinkLeaf {
  readonly kind: 'symlink';
  readonly stat: Stat;
  readonly target: ByteString;
}
/** A device node. `rdev` is the 32-bit number of the kernel's new encoding; a `chr` with rdev 0 is a whiteout. */
export interface DeviceLeaf {
  readonly kind: 'chr' | 'blk';
  readonly stat: Stat;
  readonly rdev: number;
}
/** A named pipe or a socket. */
export interface PipeLeaf {
  readonly kind: 'fifo' | 'socket';
  readonly stat: Stat;
}

/** The four forms of a regular file. */
export type RegularLeaf = InlineLeaf | ExternalLeaf | ExternalNoVerityLeaf | SparseLeaf;

/** Any inode that is not a directory. Immutable, like its stat: replace it instead of changing it. */
export type Leaf = RegularLeaf | SymlinkLeaf | DeviceLeaf | PipeLeaf;

/** What a directory entry names. */
export type Inode = Directory | LeafIndex;

/** A directory: its stat and its entries. Iterate with {@link sortedEntries}; the map has no defined order. */
export class Directory {
  stat: Stat;
  readonly entries: Map<ByteString, Inode>;

  constructor(stat: Stat = UNSET_STAT) {
    this.stat = stat;
    this.entries = new Map();
  }
}

/**
 * A filesystem in memory: a root directory and a flat list of leaves. Leaves have no link count field; the link count is
 * the number of entries that name the leaf. Source: composefs core spec 7.1.
 */
export class Tree {
  readonly root: Directory;
  leaves: LeafList;

  constructor(rootStat: Stat = UNSET_STAT) {
    this.root = new Directory(rootStat);
    this.leaves = new LeafList();
  }

  /** Appends a leaf and returns its index. It is an orphan until an entry names it. */
  addLeaf(leaf: Leaf): LeafIndex {
    return this.leaves.push(leaf);
  }
}

/** True for a character device with number 0, which overlayfs reads as a whiteout. */
export function isWhiteout(leaf: Leaf): boolean {
  return leaf.kind === 'chr' && leaf.rdev === 0;
}

/** True for the four forms of a regular file. */
export function isRegular(leaf: Leaf): leaf is RegularLeaf {
  return (
    leaf.kind === 'inline' ||
    leaf.kind === 'external' ||
    leaf.kind === 'externalNoVerity' ||
    leaf.kind === 'sparse'
  );
}

/** Names of a directory in byte order. */
export function sortedNames(directory: Directory): ByteString[] {
  const names = [...directory.entries.keys()];
  for (let at = 1; at < names.length; at += 1) {
    if ((names[at] as string) < (names[at - 1] as string)) return names.sort();
  }
  return names;
}

/** Entries of a directory in byte order of their names. */
export function sortedEntries(directory: Directory): [ByteString, Inode][] {
  return sortedNames(directory).map((name) => [name, directory.entries.get(name) as Inode]);
}

/** Extended attributes in byte order of their names. */
export function sortedXattrs(
  xattrs: ReadonlyMap<ByteString, Uint8Array>,
): [ByteString, Uint8Array][] {
  const pairs = [...xattrs];
  return pairs.length < 2 ? pairs : pairs.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
}
