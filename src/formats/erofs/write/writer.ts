import { atOnce, STEP_ITEMS, type Steps } from '#base/flow';
import type { ImageOverrides, InlineLeaf, Leaf, SymlinkLeaf, Tree } from '#formats/tree';
import {
  BLOCK_BITS,
  BLOCK_SIZE,
  COMPACT,
  COMPOSEFS_MAGIC,
  DIRENT,
  EROFS_MAGIC,
  type ErofsVersion,
  EXTENDED,
  FEATURE_COMPAT,
  HEADER,
  HEADER_FLAG_ACL,
  NULL_CHUNK,
  SLOT_SIZE,
  SUPERBLOCK,
  SUPERBLOCK_OFFSET,
} from '../layout.ts';
import { ImageWindow } from './image-window.ts';
import { type InodeList, listInodes } from './inode-list.ts';
import { describeInodes, FILE_TYPE_OF_KIND, type InodeTable, KIND } from './inode-table.ts';
import { dotPositions, type Placement, placeInodes } from './placement.ts';
import { XattrWriter } from './xattr-section.ts';
import { entryBytes } from './xattr-table.ts';

/** Options for writing an image. */
export interface EncodeOptions {
  readonly version: ErofsVersion;
  /** Hash algorithm of the object ids in the tree; every id must have the length of this algorithm. */
  readonly algorithm: 'sha256' | 'sha512';
  /**
   * Follow C mkcomposefs where it and composefs-rs write different bytes for the same tree: whiteouts that look like stubs,
   * markers over a user's xattrs of the same name, more than 128 shared xattrs. Default false.
   */
  readonly likeC?: boolean;
  /** Values from a dumpfile in the C dialect that a tree cannot hold. */
  readonly overrides?: ImageOverrides;
}

/**
 * Encodes a tree as a mountable image, byte for byte as composefs-rs (or C, see `likeC`) does. The tree is not changed;
 * the result is deterministic, its length a multiple of 4096.
 * @throws FormatError TREE_INVALID on a tree that no image can hold; EROFS_TOO_LARGE. Source: core spec 5
 */
export function encodeImage(tree: Tree, options: EncodeOptions): Uint8Array {
  return atOnce(encodeImageInSteps(tree, options));
}

/** As `encodeImage`, in steps. The tree must not be changed between steps. */
export function* encodeImageInSteps(tree: Tree, options: EncodeOptions): Steps<Uint8Array> {
  let bytes = new Uint8Array(0);
  let at = 0;
  yield* encodePiecesInSteps(tree, options, (piece, sizeBytes) => {
    if (at === 0) bytes = new Uint8Array(sizeBytes);
    bytes.set(piece, at);
    at += piece.length;
  });
  return bytes;
}

/** Receives an image in order, piece by piece; a piece is valid until the receiver returns. `sizeBytes` is the size of the whole image. */
export type PieceReceiver = (piece: Uint8Array, sizeBytes: number) => void;

/**
 * As `encodeImageInSteps`, but passes the image on while it is written: besides the tree and its columns, only the data blocks of the image
 * (directories and long contents) are in memory.
 */
export function* encodePiecesInSteps(
  tree: Tree,
  options: EncodeOptions,
  receive: PieceReceiver,
): Steps<void> {
  const { version, algorithm, likeC = false, overrides } = options;
  const list = yield* listInodes(tree, version, overrides);
  const digestBytes = algorithm === 'sha256' ? 32 : 64;
  const table = yield* describeInodes(tree, list, { version, digestBytes, likeC, overrides });
  const placement = yield* placeInodes(table, version, likeC);
  yield* new ImageWriter(tree, table, placement, version).run(receive);
}

/** Names up to this length are copied by a loop, longer ones by a runtime call; at this length both cost the same. */
const SHORT_NAME = 24;

class ImageWriter {
  readonly #tree: Tree;
  readonly #table: InodeTable;
  readonly #list: InodeList;
  readonly #placement: Placement;
  readonly #version: ErofsVersion;
  /** The inodes and the shared xattrs, of which a window is in memory. */
  readonly #window: ImageWindow;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  /** The data blocks. */
  readonly #data: Buffer;
  readonly #dataView: DataView;
  readonly #xattrBlock: number;

  constructor(tree: Tree, table: InodeTable, placement: Placement, version: ErofsVersion) {
    this.#tree = tree;
    this.#table = table;
    this.#list = table.list;
    this.#placement = placement;
    this.#version = version;
    this.#window = new ImageWindow(placement.dataOffset);
    this.#bytes = this.#window.bytes;
    this.#view = new DataView(this.#bytes.buffer);
    const data = new ArrayBuffer(placement.sizeBytes - placement.dataOffset);
    this.#data = Buffer.from(data);
    this.#dataView = new DataView(data);
    this.#xattrBlock = version === 2 ? 0 : Math.floor(placement.inodesEnd / BLOCK_SIZE);
  }

  *run(receive: PieceReceiver): Steps<void> {
    const { inodesEnd, sharedLimit, dataOffset, sizeBytes } = this.#placement;
    const window = this.#window;
    const pass = (piece: Uint8Array) => receive(piece, sizeBytes);
    this.#header();
    this.#superblock();
    const sharedBase = inodesEnd - this.#xattrBlock * BLOCK_SIZE;
    const xattrs = new XattrWriter(this.#table, this.#bytes, sharedLimit, sharedBase);
    const { count } = this.#list;
    for (let inode = 0; inode < count; inode += 1) {
      if (inode % STEP_ITEMS === 0) yield;
      this.#inode(
        inode,
        window.moveTo((this.#placement.nid[inode] as number) * SLOT_SIZE, pass),
        xattrs,
      );
    }
    let at = inodesEnd;
    for (const entry of this.#table.xattrs.shared) {
      xattrs.entry(window.moveTo(at, pass), entry);
      at += entryBytes(entry.suffix.length, entry.value.length);
    }
    yield;
    window.finish(dataOffset, pass);
    if (this.#data.length > 0) pass(this.#data);
  }

  /** Writes an inode at `at` of the window. */
  #inode(inode: number, at: number, xattrs: XattrWriter): void {
    const { isExtended, xattrBytes } = this.#placement;
    const header = isExtended[inode] === 1 ? this.#extended(inode, at) : this.#compact(inode, at);
    const section = xattrBytes[inode] as number;
    if (section > 0) xattrs.section(inode, at + header);
    this.#content(inode, at + header + section);
  }

  #header(): void {
    const view = this.#view;
    view.setUint32(HEADER.magic, COMPOSEFS_MAGIC, true);
    view.setUint32(HEADER.version, 1, true);
    view.setUint32(HEADER.flags, this.#table.xattrs.hasAcl ? HEADER_FLAG_ACL : 0, true);
    view.setUint32(HEADER.composefsVersion, this.#version, true);
  }

  #superblock(): void {
    const view = this.#view;
    const at = SUPERBLOCK_OFFSET;
    view.setUint32(at + SUPERBLOCK.magic, EROFS_MAGIC, true);
    view.setUint32(at + SUPERBLOCK.featureCompat, FEATURE_COMPAT, true);
    view.setUint8(at + SUPERBLOCK.blockBits, BLOCK_BITS);
    view.setUint16(at + SUPERBLOCK.rootNid, this.#placement.nid[0] as number, true);
    view.setUint32(at + SUPERBLOCK.inodeCount, this.#list.count, true);
    view.setUint32(at + SUPERBLOCK.blocks, this.#placement.sizeBytes / BLOCK_SIZE, true);
    view.setUint32(at + SUPERBLOCK.xattrBlock, this.#xattrBlock, true);
    if (this.#version === 2) return;
    this.#mtime(this.#table.minimum, at + SUPERBLOCK.buildTimeSec);
    view.setUint32(at + SUPERBLOCK.buildTimeNsec, this.#mtimeNsec(this.#table.minimum), true);
  }

  #format(inode: number): number {
    const { layout, isExtended } = this.#placement;
    return (layout[inode] as number) | (isExtended[inode] as number);
  }

  #xattrCount(inode: number): number {
    const bytes = this.#placement.xattrBytes[inode] as number;
    return bytes === 0 ? 0 : 1 + (bytes - 12) / 4;
  }

  #mode(inode: number): number {
    return (
      (TYPE_BITS_OF_KIND[this.#table.kind[inode] as number] as number) |
      (this.#table.stats.mode[inode] as number)
    );
  }

  #ino(inode: number): number {
    return this.#version === 2 ? (this.#placement.nid[inode] as number) : inode;
  }

  #compact(inode: number, at: number): number {
    const view = this.#view;
    const { uid, gid } = this.#table.stats;
    view.setUint16(at + COMPACT.format, this.#format(inode), true);
    view.setUint16(at + COMPACT.xattrCount, this.#xattrCount(inode), true);
    view.setUint16(at + COMPACT.mode, this.#mode(inode), true);
    view.setUint16(at + COMPACT.nlink, this.#table.nlink[inode] as number, true);
    view.setUint32(at + COMPACT.size, this.#table.sizeBytes[inode] as number, true);
    view.setUint32(at + COMPACT.union, this.#union(inode), true);
    view.setUint32(at + COMPACT.ino, this.#ino(inode), true);
    view.setUint16(at + COMPACT.uid, uid[inode] as number, true);
    view.setUint16(at + COMPACT.gid, gid[inode] as number, true);
    return COMPACT.sizeBytes;
  }

  #extended(inode: number, at: number): number {
    const view = this.#view;
    const { uid, gid } = this.#table.stats;
    const size = this.#table.sizeBytes[inode] as number;
    view.setUint16(at + EXTENDED.format, this.#format(inode), true);
    view.setUint16(at + EXTENDED.xattrCount, this.#xattrCount(inode), true);
    view.setUint16(at + EXTENDED.mode, this.#mode(inode), true);
    view.setUint32(at + EXTENDED.size, size % 2 ** 32, true);
    view.setUint32(at + EXTENDED.size + 4, Math.floor(size / 2 ** 32), true);
    view.setUint32(at + EXTENDED.union, this.#union(inode), true);
    view.setUint32(at + EXTENDED.ino, this.#ino(inode), true);
    view.setUint32(at + EXTENDED.uid, uid[inode] as number, true);
    view.setUint32(at + EXTENDED.gid, gid[inode] as number, true);
    this.#mtime(inode, at + EXTENDED.mtimeSec);
    if (this.#version !== 2) view.setUint32(at + EXTENDED.mtimeNsec, this.#mtimeNsec(inode), true);
    view.setUint32(at + EXTENDED.nlink, this.#table.nlink[inode] as number, true);
    return EXTENDED.sizeBytes;
  }

  /** Writes the seconds of an mtime. */
  #mtime(inode: number, at: number): void {
    const { mtimeLow, mtimeHigh } = this.#table.stats;
    this.#view.setUint32(at, mtimeLow[inode] as number, true);
    this.#view.setUint32(at + 4, mtimeHigh[inode] as number, true);
  }

  #mtimeNsec(inode: number): number {
    return this.#table.stats.mtimeNsec[inode] as number;
  }

  /** First block of the image that holds data of an inode. */
  #block(inode: number): number {
    const { dataOffset, firstBlock } = this.#placement;
    return dataOffset / BLOCK_SIZE + (firstBlock[inode] as number);
  }

  /** i_u: block number, chunk format or device number. */
  #union(inode: number): number {
    const { blocks, chunkBits } = this.#placement;
    const hasBlocks = (blocks[inode] as number) > 0;
    switch (this.#table.kind[inode]) {
      case KIND.chr:
      case KIND.blk:
        return this.#rdev(inode);
      case KIND.chunked: {
        const format = (chunkBits[inode] as number) - BLOCK_BITS;
        // For a moved chunk table only the upper half of the block number is kept, as in C.
        return hasBlocks ? ((this.#block(inode) & 0xffff0000) | format) >>> 0 : format;
      }
      default:
        return hasBlocks ? this.#block(inode) : 0;
    }
  }

  #rdev(inode: number): number {
    const leaf = this.#leaf(inode);
    return leaf?.kind === 'chr' || leaf?.kind === 'blk' ? leaf.rdev : 0;
  }

  /** Writes inline bytes at `at` of the window, and data blocks. */
  #content(inode: number, at: number): void {
    const { blocks, inlineBytes, firstBlock } = this.#placement;
    const data = (firstBlock[inode] as number) * BLOCK_SIZE;
    const blockCount = blocks[inode] as number;
    switch (this.#table.kind[inode]) {
      case KIND.directory:
        this.#directory(inode, at, data);
        break;
      case KIND.inline: {
        const { content } = this.#leaf(inode) as InlineLeaf;
        const split = Math.min(blockCount * BLOCK_SIZE, content.length);
        if (split > 0) this.#data.set(content.subarray(0, split), data);
        this.#bytes.set(content.subarray(split), at);
        break;
      }
      case KIND.symlink: {
        const { target } = this.#leaf(inode) as SymlinkLeaf;
        if (blockCount > 0) writeText(this.#data, target, data);
        else writeText(this.#bytes, target, at);
        break;
      }
      case KIND.chunked:
        if (blockCount > 0) this.#data.fill(0xff, data, data + BLOCK_SIZE);
        for (let entry = 0; entry < (inlineBytes[inode] as number); entry += 4) {
          this.#view.setUint32(at + entry, NULL_CHUNK, true);
        }
        break;
    }
  }

  #leaf(inode: number): Leaf | undefined {
    return this.#tree.leaves.at(this.#list.leafOf[inode] as number);
  }

  /** Packs the entries of a directory into its blocks and its tail. */
  #directory(inode: number, tail: number, data: number): void {
    const list = this.#list;
    const position = list.directoryOf[inode] as number;
    const first = list.directoryFirst[position] as number;
    const end = list.directoryEnd[position] as number;
    const [dot, dotDot] = dotPositions(list.names, first, end);
    const total = end - first + 2;
    const blockCount = this.#placement.blocks[inode] as number;
    const parent = list.directoryParent[position] as number;
    /** Entry of the directory at an index of the order that includes `.` and `..`, which are -1 and -2. */
    const source = (place: number): number => {
      if (place === dot) return -1;
      if (place === dotDot) return -2;
      return first + place - (place > dot ? 1 : 0) - (place > dotDot ? 1 : 0);
    };
    let place = 0;
    for (let block = 0; place < total; block += 1) {
      const isBlock = block < blockCount;
      const start = isBlock ? data + block * BLOCK_SIZE : tail;
      const [bytes, view] = isBlock ? [this.#data, this.#dataView] : [this.#bytes, this.#view];
      const from = place;
      let used = 0;
      for (; place < total; place += 1) {
        const length = DIRENT.sizeBytes + this.#nameOf(source(place)).length;
        if (used + length > BLOCK_SIZE) break;
        used += length;
      }
      let nameOffset = (place - from) * DIRENT.sizeBytes;
      for (let at = from; at < place; at += 1) {
        const entry = source(at);
        const target =
          entry === -1 ? inode : entry === -2 ? parent : (list.children[entry] as number);
        const name = this.#nameOf(entry);
        this.#dirent(view, start + (at - from) * DIRENT.sizeBytes, target, nameOffset);
        writeText(bytes, name, start + nameOffset);
        nameOffset += name.length;
      }
    }
  }

  #nameOf(entry: number): string {
    if (entry < 0) return entry === -1 ? '.' : '..';
    return this.#list.names[entry] as string;
  }

  #dirent(view: DataView, at: number, inode: number, nameOffset: number): void {
    view.setUint32(at + DIRENT.nid, this.#placement.nid[inode] as number, true);
    view.setUint16(at + DIRENT.nameOffset, nameOffset, true);
    const type = FILE_TYPE_OF_KIND[this.#table.kind[inode] as number] as number;
    view.setUint8(at + DIRENT.fileType, type);
  }
}

function writeText(bytes: Buffer, text: string, at: number): void {
  const { length } = text;
  if (length > SHORT_NAME) {
    bytes.write(text, at, 'latin1');
    return;
  }
  for (let index = 0; index < length; index += 1) bytes[at + index] = text.charCodeAt(index);
}

/** S_IFMT bits by {@link KIND} (stat(2)). */
const TYPE_BITS_OF_KIND = [
  0o040000, 0o100000, 0o100000, 0o120000, 0o020000, 0o060000, 0o010000, 0o140000, 0o100000,
] as const;
