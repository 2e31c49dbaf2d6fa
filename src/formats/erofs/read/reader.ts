import type { ByteString } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import type { FormatError } from '#base/errors';
import type { RandomReader } from '#base/flow';
import {
  COMPACT,
  EXTENDED,
  INODES_OFFSET,
  OVERLAY,
  SLOT_SIZE,
  XATTR_HEADER,
  XATTR_PREFIXES,
} from '../layout.ts';
import { parseMetacopy, parseRedirect, unescapeXattrs, WHITEOUT_MARKER } from '../xattr-names.ts';
import { type DirectoryBlock, entryNamed, entryOf, openBlock } from './directory-block.ts';
import { ImageBytes } from './image-bytes.ts';
import {
  type ErofsEntry,
  type ErofsInode,
  layoutOf,
  type ObjectReference,
  type StoredXattr,
  typeOfMode,
} from './inode.ts';
import { type ImageHeader, invalidImage, type OpenOptions, readHeader } from './superblock.ts';
import { visitXattrs, xattrAt } from './xattrs.ts';

/** More than the entries of one block: a position of `entriesFrom` encodes a block and an entry in the block. */
const POSITIONS_PER_EXTENT = 65_536;

/**
 * An image read on demand: opening decodes only the superblock; every method decodes and checks only the structures it
 * reads. The time of a call is at most linear in the size of the image.
 */
export class ErofsImage {
  readonly sizeBytes: number;
  readonly header: ImageHeader;
  readonly #bytes: ImageBytes;
  readonly #isRestricted: boolean;

  /** Use {@link openImage}. */
  constructor(source: Uint8Array | RandomReader, options: OpenOptions) {
    this.#bytes = new ImageBytes(source, options.pageBytes);
    this.sizeBytes = this.#bytes.sizeBytes;
    this.#bytes.locate(0, Math.min(INODES_OFFSET, this.sizeBytes));
    this.header = readHeader(this.#bytes.view, this.sizeBytes, options);
    this.#isRestricted = options.restrict !== false;
  }

  /** Number of the root inode. */
  get rootNid(): number {
    return this.header.rootNid;
  }

  /** Decodes an inode. @throws FormatError EROFS_INVALID. Source: core spec 6.3 */
  inode(nid: number): ErofsInode {
    const offset = this.header.metaOffset + nid * SLOT_SIZE;
    if (!Number.isSafeInteger(offset) || offset + COMPACT.sizeBytes > this.sizeBytes) {
      throw invalidImage(offset, `inode ${nid}`, 'is past the end');
    }
    const bytes = this.#bytes;
    const format = bytes.u16(offset);
    const isExtended = (format & 1) === 1;
    const headerBytes = isExtended ? EXTENDED.sizeBytes : COMPACT.sizeBytes;
    const at = bytes.locate(offset, headerBytes);
    const { view } = bytes;
    const layout = layoutOf(format);
    if (layout === undefined) {
      throw invalidImage(offset, `inode ${nid}`, `unknown layout in format ${format}`);
    }
    const mode = view.getUint16(at + COMPACT.mode, true);
    const type = typeOfMode(mode);
    if (type === undefined) {
      throw invalidImage(offset, `inode ${nid}`, `unknown file type in mode ${mode.toString(8)}`);
    }
    const xattrCount = view.getUint16(at + COMPACT.xattrCount, true);
    const xattrBytes = xattrCount === 0 ? 0 : XATTR_HEADER.sizeBytes + 4 * (xattrCount - 1);
    const union = view.getUint32(at + COMPACT.union, true);
    const numbers = isExtended ? this.#extended(at, offset) : this.#compact(at);
    // No spread: it would cost as much as the rest of this method.
    const inode: ErofsInode = {
      nid,
      type,
      mode: mode & 0o7777,
      nlink: numbers.nlink,
      uid: numbers.uid,
      gid: numbers.gid,
      sizeBytes: numbers.sizeBytes,
      mtimeSec: numbers.mtimeSec,
      mtimeNsec: numbers.mtimeNsec,
      rdev: type === 'chr' || type === 'blk' ? union : 0,
      offset,
      headerBytes,
      xattrBytes,
      layout,
      union,
    };
    this.#checkSpan(inode);
    return inode;
  }

  /** Bytes of an inode in the inode area: header, xattrs and inline content. */
  spanBytes(inode: ErofsInode): number {
    return inode.headerBytes + inode.xattrBytes + this.#inlineBytes(inode);
  }

  /**
   * Finds the inode at a path, without following symlinks; leading and trailing slashes are ignored. Undefined when the
   * path does not exist or a parent is not a directory.
   */
  findPath(path: string): ErofsInode | undefined {
    let inode = this.inode(this.rootNid);
    for (const name of path.split('/')) {
      if (name === '') continue;
      if (inode.type !== 'directory') return undefined;
      const nid = this.lookup(inode, name);
      if (nid === undefined) return undefined;
      inode = this.inode(nid);
    }
    return inode;
  }

  /** Yields all entries of a directory as stored, including `.` and `..`. @throws FormatError EROFS_INVALID */
  *entries(directory: ErofsInode): Generator<ErofsEntry> {
    if (directory.type !== 'directory') throw notDirectory(directory);
    for (const [start, end] of this.#extents(directory)) {
      const block = openBlock(this.#bytes, start, end);
      for (let entry = 0; entry < block.count; entry += 1) yield entryOf(block, entry);
    }
  }

  /**
   * Yields entries of a directory as stored, starting at a position: 0, or the `next` of an entry. Omits stubs.
   * @throws FormatError EROFS_INVALID
   */
  *entriesFrom(
    directory: ErofsInode,
    position: number,
  ): Generator<ErofsEntry & { readonly next: number }> {
    if (directory.type !== 'directory') throw notDirectory(directory);
    const extents = this.#extentCount(directory);
    let first = position % POSITIONS_PER_EXTENT;
    for (let at = Math.floor(position / POSITIONS_PER_EXTENT); at < extents; at += 1) {
      const block = openBlock(this.#bytes, ...this.#extentAt(directory, at));
      for (let index = first; index < block.count; index += 1) {
        const entry = entryOf(block, index);
        const isLast = index + 1 === block.count;
        const next = isLast
          ? (at + 1) * POSITIONS_PER_EXTENT
          : at * POSITIONS_PER_EXTENT + index + 1;
        if (!this.#isStub(directory, entry)) yield { ...entry, next };
      }
      first = 0;
    }
  }

  /**
   * Lists entries of a directory in byte order, without `.` and `..`, and in the root of V0 and V1 without the stub
   * whiteouts. @throws FormatError EROFS_INVALID
   */
  listDirectory(directory: ErofsInode): ErofsEntry[] {
    const found = [...this.entries(directory)].filter(
      (entry) => entry.name !== '.' && entry.name !== '..' && !this.#isStub(directory, entry),
    );
    return found.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }

  #isStub(directory: ErofsInode, entry: ErofsEntry): boolean {
    if (directory.nid !== this.rootNid || this.header.composefsVersion > 1) return false;
    if (!/^[0-9a-fA-F]{2}$/.test(entry.name)) return false;
    const inode = this.inode(entry.nid);
    return inode.type === 'chr' && inode.rdev === 0;
  }

  /** Xattrs of an inode as stored, shared ones first. @throws FormatError EROFS_INVALID */
  storedXattrs(inode: ErofsInode): StoredXattr[] {
    const xattrs: StoredXattr[] = [];
    this.visitXattrs(inode, (at) => xattrs.push(xattrAt(this.#bytes, at)));
    return xattrs;
  }

  /**
   * Calls `visit` with start and end of each xattr of an inode, shared xattrs first, after checking that it lies inside the image.
   * @throws FormatError EROFS_INVALID
   */
  visitXattrs(inode: ErofsInode, visit: (offset: number, end: number) => void): void {
    visitXattrs(this.#bytes, this.header.xattrOffset, inode, visit);
  }

  /** Returns a buffer that holds a span of the image, and the span's offset in the buffer. */
  bytesAt(offset: number, length: number): { readonly buffer: Buffer; readonly at: number } {
    const at = this.#bytes.locate(offset, length);
    return { buffer: this.#bytes.buffer, at };
  }

  /** Xattrs with their full names, as stored. */
  rawXattrs(inode: ErofsInode): [ByteString, Uint8Array][] {
    return this.storedXattrs(inode).map(({ index, suffix, value }) => {
      const prefix = XATTR_PREFIXES[index];
      if (prefix === undefined) {
        throw invalidImage(inode.offset, `xattrs of inode ${inode.nid}`, `unknown prefix ${index}`);
      }
      return [`${prefix}${suffix}` as ByteString, value];
    });
  }

  /** Xattrs as set by the user: overlay bookkeeping removed, names unescaped. Source: core spec 6.6 */
  xattrs(inode: ErofsInode): Map<ByteString, Uint8Array> {
    return unescapeXattrs(this.rawXattrs(inode));
  }

  /** True for a whiteout: native, or written as an empty file by V0 and V1. */
  isWhiteout(inode: ErofsInode): boolean {
    if (inode.type === 'chr') return inode.rdev === 0;
    if (inode.type !== 'regular' || inode.sizeBytes !== 0) return false;
    return this.rawXattrs(inode).some(([name]) => name === WHITEOUT_MARKER);
  }

  /**
   * Returns the object of an external file, undefined for other inodes.
   * @throws FormatError EROFS_INVALID on a metacopy that is neither empty nor a digest
   */
  objectOf(inode: ErofsInode): ObjectReference | undefined {
    if (inode.type !== 'regular') return undefined;
    let redirect: ObjectId | undefined;
    let id: ObjectId | undefined;
    for (const [name, value] of this.rawXattrs(inode)) {
      if (name === OVERLAY.redirect) redirect = parseRedirect(value);
      if (name !== OVERLAY.metacopy || value.length === 0) continue;
      id = parseMetacopy(value);
      if (id === undefined)
        throw invalidImage(inode.offset, `inode ${inode.nid}`, 'malformed metacopy');
    }
    if (id !== undefined) return { id, isVerified: true };
    return redirect === undefined ? undefined : { id: redirect, isVerified: false };
  }

  /**
   * Returns a copy of the bytes of an inode inside the image: content of an inline file, target of a symlink. Empty for
   * chunk-based files, whose bytes are in an object. @throws FormatError EROFS_INVALID
   */
  readInline(inode: ErofsInode): Uint8Array {
    if (inode.layout === 'chunkBased') return new Uint8Array(0);
    const whole = new Uint8Array(Math.min(inode.sizeBytes, this.sizeBytes));
    let filled = 0;
    for (const piece of this.inlinePieces(inode)) {
      whole.set(piece, filled);
      filled += piece.length;
    }
    return filled === whole.length ? whole : whole.subarray(0, filled);
  }

  /** Yields the bytes of {@link readInline}, block by block. */
  *inlinePieces(inode: ErofsInode): Generator<Uint8Array> {
    for (const [start, end] of this.#extents(inode)) {
      const at = this.#bytes.locate(start, end - start);
      yield this.#bytes.buffer.subarray(at, at + end - start);
    }
  }

  #compact(at: number): InodeNumbers {
    const { view } = this.#bytes;
    return {
      nlink: view.getUint16(at + COMPACT.nlink, true),
      sizeBytes: view.getUint32(at + COMPACT.size, true),
      uid: view.getUint16(at + COMPACT.uid, true),
      gid: view.getUint16(at + COMPACT.gid, true),
      mtimeSec: this.header.buildTimeSec,
      mtimeNsec: this.header.buildTimeNsec,
    };
  }

  #extended(at: number, offset: number): InodeNumbers {
    const { view } = this.#bytes;
    const high = view.getUint32(at + EXTENDED.size + 4, true);
    const low = view.getUint32(at + EXTENDED.size, true);
    if (high > 2 ** 21 || (high === 2 ** 21 && low > 0)) {
      throw invalidImage(offset, 'inode size', 'is above 2^53');
    }
    return {
      nlink: view.getUint32(at + EXTENDED.nlink, true),
      sizeBytes: high * 2 ** 32 + low,
      uid: view.getUint32(at + EXTENDED.uid, true),
      gid: view.getUint32(at + EXTENDED.gid, true),
      mtimeSec: view.getBigInt64(at + EXTENDED.mtimeSec, true),
      mtimeNsec: view.getUint32(at + EXTENDED.mtimeNsec, true),
    };
  }

  #inlineBytes(inode: ErofsInode): number {
    if (inode.layout === 'flatInline') return inode.sizeBytes % this.header.blockSize;
    return inode.layout === 'chunkBased' ? 4 : 0;
  }

  #checkSpan(inode: ErofsInode): void {
    const length = this.sizeBytes;
    if (inode.offset + this.spanBytes(inode) > length) {
      throw invalidImage(
        inode.offset,
        `inode ${inode.nid}`,
        'its xattrs or inline bytes pass the end',
      );
    }
    if (inode.layout === 'chunkBased') return;
    if (this.#isRestricted && inode.sizeBytes > length) {
      throw invalidImage(
        inode.offset,
        `inode ${inode.nid}`,
        `size ${inode.sizeBytes} is above the image's`,
      );
    }
    const blocks = this.#blocks(inode);
    if (blocks > 0 && inode.union + blocks > Math.floor(length / this.header.blockSize)) {
      throw invalidImage(inode.offset, `inode ${inode.nid}`, 'its blocks pass the end');
    }
  }

  #blocks(inode: ErofsInode): number {
    const count = inode.sizeBytes / this.header.blockSize;
    return inode.layout === 'flatInline' ? Math.floor(count) : Math.ceil(count);
  }

  /** Ranges of the image that hold the bytes of an inode: each of its blocks, then the inline tail. */
  *#extents(inode: ErofsInode): Generator<readonly [start: number, end: number]> {
    const count = this.#extentCount(inode);
    for (let extent = 0; extent < count; extent += 1) yield this.#extentAt(inode, extent);
  }

  #extentCount(inode: ErofsInode): number {
    if (inode.layout === 'chunkBased') return 0;
    return this.#blocks(inode) + (this.#inlineBytes(inode) > 0 ? 1 : 0);
  }

  #extentAt(inode: ErofsInode, extent: number): readonly [start: number, end: number] {
    const { blockSize } = this.header;
    const done = extent * blockSize;
    const start =
      extent < this.#blocks(inode)
        ? (inode.union + extent) * blockSize
        : inode.offset + inode.headerBytes + inode.xattrBytes;
    return [start, start + Math.min(blockSize, inode.sizeBytes - done)];
  }

  /**
   * Returns the inode number of a name, by binary search as in the kernel; stubs are not found.
   * @throws FormatError EROFS_INVALID. Source: Linux fs/erofs/namei.c erofs_find_target_block
   */
  lookup(directory: ErofsInode, name: string): number | undefined {
    if (directory.type !== 'directory') throw notDirectory(directory);
    let found: DirectoryBlock | undefined;
    for (let low = 0, high = this.#extentCount(directory) - 1; low <= high; ) {
      const middle = (low + high) >>> 1;
      const block = openBlock(this.#bytes, ...this.#extentAt(directory, middle));
      if (entryOf(block, 0).name > name) high = middle - 1;
      else {
        found = block;
        low = middle + 1;
      }
    }
    const entry = found === undefined ? undefined : entryNamed(found, name);
    return entry === undefined || this.#isStub(directory, entry) ? undefined : entry.nid;
  }
}

type InodeNumbers = Pick<
  ErofsInode,
  'nlink' | 'sizeBytes' | 'uid' | 'gid' | 'mtimeSec' | 'mtimeNsec'
>;

function notDirectory(inode: ErofsInode): FormatError {
  return invalidImage(inode.offset, `inode ${inode.nid}`, 'is not a directory');
}

/**
 * Opens an image in memory, or a file that is read page by page on demand. Its bytes must not change while it is in use.
 * @throws FormatError EROFS_TOO_LARGE, EROFS_MAGIC_INVALID, EROFS_FEATURE_UNKNOWN, EROFS_INVALID; as the reader
 */
export function openImage(
  source: Uint8Array | RandomReader,
  options: OpenOptions = {},
): ErofsImage {
  return new ErofsImage(source, options);
}
