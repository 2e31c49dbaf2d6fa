import { type ByteString, byteStringOf } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { atOnce, type Steps } from '#base/flow';
import {
  DEPTH_LIMIT,
  Directory,
  type Leaf,
  type LeafIndex,
  NO_XATTRS,
  type Stat,
  Tree,
} from '#formats/tree';
import { OVERLAY } from '../layout.ts';
import { parseMetacopy, parseRedirect, unescapeXattrs, WHITEOUT_MARKER } from '../xattr-names.ts';
import type { ErofsEntry, ErofsInode } from './inode.ts';
import { type ErofsImage, openImage } from './reader.ts';
import { invalidImage, type OpenOptions } from './superblock.ts';
import { WalkBudget } from './walk.ts';

/** Longest inline content and symlink target of a V2 image, in bytes. Source: core spec 6.6 */
const V2_INLINE_LIMIT = 512;
const V2_SYMLINK_LIMIT = 1024;

/**
 * Rebuilds the tree of an image and checks what a tree cannot represent: `.` and `..`, link counts, duplicate names.
 * The result shares no memory with `bytes`. Encoding the tree again reproduces every image that composefs writes, except
 * that a user's own overlay markers are lost.
 * @throws FormatError EROFS_INVALID, and as {@link openImage}. Source: core spec 6.6
 */
export function readTree(bytes: Uint8Array, options: OpenOptions = {}): Tree {
  return atOnce(readTreeInSteps(bytes, options));
}

/** As `readTree`, in steps. */
export function* readTreeInSteps(bytes: Uint8Array, options: OpenOptions = {}): Steps<Tree> {
  return yield* new TreeReader(openImage(bytes, { ...options, restrict: true })).run();
}

interface OpenDirectory {
  readonly directory: Directory;
  readonly inode: ErofsInode;
  readonly parentNid: number;
  readonly depth: number;
}

class TreeReader {
  readonly #image: ErofsImage;
  readonly #budget: WalkBudget;
  readonly #leafOfNid = new Map<number, LeafIndex>();
  readonly #written: number[] = [];
  readonly #names: number[] = [];
  readonly #directories = new Set<number>();
  readonly #xattrMaps = new Map<string, ReadonlyMap<ByteString, Uint8Array>>();
  #digestLength = 0;

  constructor(image: ErofsImage) {
    this.#image = image;
    this.#budget = new WalkBudget(image);
  }

  *run(): Steps<Tree> {
    const root = this.#image.inode(this.#image.rootNid);
    const tree = new Tree(this.#directoryStat(root));
    const stack: OpenDirectory[] = [
      { directory: tree.root, inode: root, parentNid: root.nid, depth: 0 },
    ];
    for (let open = stack.pop(); open !== undefined; open = stack.pop()) {
      yield;
      this.#readDirectory(open, tree, stack);
    }
    for (const [index, nlink] of this.#written.entries()) {
      if (nlink === this.#names[index]) continue;
      throw invalidImage(0, `leaf ${index}`, `${nlink} links, ${this.#names[index]} names`);
    }
    return tree;
  }

  #readDirectory(open: OpenDirectory, tree: Tree, stack: OpenDirectory[]): void {
    const { directory, inode, parentNid, depth } = open;
    const image = this.#image;
    if (depth >= DEPTH_LIMIT) throw invalidImage(inode.offset, 'directory', 'is too deep');
    let subdirectories = 0;
    const dots = new Map<string, number>();
    for (const entry of image.entries(inode)) {
      if (entry.name === '.' || entry.name === '..') {
        if (dots.has(entry.name)) throw this.#badName(inode, entry);
        dots.set(entry.name, entry.nid);
        continue;
      }
      if (directory.entries.has(entry.name)) throw this.#badName(inode, entry);
      const child = image.inode(entry.nid);
      if (inode.nid === image.rootNid && this.#isStub(entry, child)) continue;
      if (child.type === 'directory') {
        const below = new Directory(this.#directoryStat(child));
        subdirectories += 1;
        directory.entries.set(entry.name, below);
        stack.push({ directory: below, inode: child, parentNid: inode.nid, depth: depth + 1 });
      } else directory.entries.set(entry.name, this.#leaf(tree, child));
    }
    if (dots.get('.') !== inode.nid || dots.get('..') !== parentNid) {
      throw invalidImage(inode.offset, 'directory', '"." or ".." leads elsewhere');
    }
    if (inode.nlink !== 2 + subdirectories) {
      throw invalidImage(
        inode.offset,
        'directory',
        `${inode.nlink} links, ${subdirectories} directories`,
      );
    }
  }

  #badName(inode: ErofsInode, entry: ErofsEntry): Error {
    return invalidImage(inode.offset, 'directory', `the name "${entry.name}" is there twice`);
  }

  /** V0 and V1 write native whiteouts as stubs into the root; a user's own whiteouts there are escaped, so they are kept. */
  #isStub(entry: ErofsEntry, inode: ErofsInode): boolean {
    return (
      this.#image.header.composefsVersion <= 1 &&
      inode.type === 'chr' &&
      inode.rdev === 0 &&
      /^[0-9a-fA-F]{2}$/.test(entry.name)
    );
  }

  #directoryStat(inode: ErofsInode): Stat {
    if (inode.type !== 'directory') throw invalidImage(inode.offset, 'root', 'is not a directory');
    if (this.#directories.has(inode.nid)) {
      throw invalidImage(inode.offset, 'directory', 'has two names');
    }
    this.#directories.add(inode.nid);
    this.#budget.spend(this.#image, inode);
    return this.#stat(inode, this.#image.rawXattrs(inode));
  }

  #stat(inode: ErofsInode, raw: [ByteString, Uint8Array][]): Stat {
    const { mode, uid, gid, mtimeSec, mtimeNsec } = inode;
    return { mode, uid, gid, mtimeSec, mtimeNsec, xattrs: this.#sharedXattrs(raw) };
  }

  /** Inodes with equal xattrs share one map of copies. */
  #sharedXattrs(raw: [ByteString, Uint8Array][]): ReadonlyMap<ByteString, Uint8Array> {
    const xattrs = unescapeXattrs(raw);
    if (xattrs.size === 0) return NO_XATTRS;
    let key = '';
    for (const [name, value] of xattrs) {
      key += `${name.length}:${name}${value.length}:${byteStringOf(value)}`;
    }
    let shared = this.#xattrMaps.get(key);
    if (shared === undefined) {
      shared = new Map([...xattrs].map(([name, value]) => [name, new Uint8Array(value)]));
      this.#xattrMaps.set(key, shared);
    }
    return shared;
  }

  #leaf(tree: Tree, inode: ErofsInode): LeafIndex {
    const known = inode.nlink > 1 ? this.#leafOfNid.get(inode.nid) : undefined;
    if (known !== undefined) {
      this.#names[known] = (this.#names[known] as number) + 1;
      return known;
    }
    this.#budget.spend(this.#image, inode);
    const raw = this.#image.rawXattrs(inode);
    const leaf = this.#content(inode, this.#stat(inode, raw), new Map(raw));
    const index = tree.addLeaf(leaf);
    if (leaf.kind === 'chr' && leaf.rdev === 0 && inode.nlink > 1) {
      throw invalidImage(inode.offset, 'whiteout', `${inode.nlink} links`);
    }
    this.#leafOfNid.set(inode.nid, index);
    this.#written.push(inode.nlink);
    this.#names.push(1);
    return index;
  }

  #content(inode: ErofsInode, stat: Stat, raw: ReadonlyMap<string, Uint8Array>): Leaf {
    switch (inode.type) {
      case 'regular':
        return this.#regular(inode, stat, raw);
      case 'symlink': {
        this.#limitV2(inode, V2_SYMLINK_LIMIT);
        return { kind: 'symlink', stat, target: byteStringOf(this.#image.readInline(inode)) };
      }
      case 'chr':
      case 'blk':
        return { kind: inode.type, stat, rdev: inode.rdev };
      default:
        return { kind: inode.type as 'fifo' | 'socket', stat };
    }
  }

  #regular(inode: ErofsInode, stat: Stat, raw: ReadonlyMap<string, Uint8Array>): Leaf {
    if (raw.has(WHITEOUT_MARKER)) return { kind: 'chr', stat, rdev: 0 };
    const { sizeBytes } = inode;
    const metacopy = raw.get(OVERLAY.metacopy);
    if (metacopy !== undefined && metacopy.length > 0) {
      const id = parseMetacopy(metacopy);
      if (id === undefined) throw invalidImage(inode.offset, 'metacopy', 'is malformed');
      return { kind: 'external', stat, id: this.#sameLength(inode, id), sizeBytes };
    }
    const redirect = raw.get(OVERLAY.redirect);
    const id = redirect === undefined ? undefined : parseRedirect(redirect);
    if (id !== undefined) return { kind: 'externalNoVerity', stat, id, sizeBytes };
    if (inode.layout === 'chunkBased') return { kind: 'sparse', stat, sizeBytes };
    this.#limitV2(inode, V2_INLINE_LIMIT);
    return { kind: 'inline', stat, content: this.#image.readInline(inode) };
  }

  #sameLength(inode: ErofsInode, id: ObjectId): ObjectId {
    if (this.#digestLength === 0) this.#digestLength = id.length;
    if (id.length === this.#digestLength) return id;
    throw invalidImage(inode.offset, 'metacopy', 'digests of two algorithms');
  }

  #limitV2(inode: ErofsInode, limit: number): void {
    if (this.#image.header.composefsVersion !== 2 || inode.sizeBytes <= limit) return;
    throw invalidImage(inode.offset, inode.type, `${inode.sizeBytes} bytes are above ${limit}`);
  }
}
