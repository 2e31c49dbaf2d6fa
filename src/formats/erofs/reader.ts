import type { ByteString } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import {
  type ErofsEntry,
  type ErofsInode,
  type ObjectReference,
  type StoredXattr,
  typeOfMode,
} from './inode.ts';
import {
  COMPACT,
  DIRENT,
  EXTENDED,
  LAYOUT,
  LAYOUT_MASK,
  OVERLAY,
  SLOT_SIZE,
  XATTR_ENTRY,
  XATTR_HEADER,
  XATTR_PREFIXES,
} from './layout.ts';
import { type ImageHeader, invalidImage, type OpenOptions, readHeader } from './superblock.ts';
import { parseMetacopy, parseRedirect, unescapeXattrs, WHITEOUT_MARKER } from './xattr-names.ts';

/** Longest file name of Linux, in bytes. */
const NAME_LENGTH_LIMIT = 255;

/**
 * An image read on demand: opening decodes the superblock only, and every question decodes what it needs and checks
 * what it touches. No question takes longer than the image is large.
 */
export class ErofsImage {
  readonly bytes: Uint8Array;
  readonly header: ImageHeader;
  readonly #buffer: Buffer;
  readonly #view: DataView;
  readonly #isRestricted: boolean;

  /** Use {@link openImage}. */
  constructor(bytes: Uint8Array, options: OpenOptions) {
    this.bytes = bytes;
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.header = readHeader(this.#view, options);
    this.#isRestricted = options.restrict !== false;
  }

  /** Number of the root inode. */
  get rootNid(): number {
    return this.header.rootNid;
  }

  /** Decodes an inode. @throws FormatError EROFS_INVALID. Source: core spec 6.3 */
  inode(nid: number): ErofsInode {
    const view = this.#view;
    const { length } = this.bytes;
    const offset = this.header.metaOffset + nid * SLOT_SIZE;
    if (!Number.isSafeInteger(offset) || offset + COMPACT.sizeBytes > length) {
      throw invalidImage(offset, `inode ${nid}`, 'is past the end');
    }
    const format = view.getUint16(offset, true);
    const isExtended = (format & 1) === 1;
    const headerBytes = isExtended ? EXTENDED.sizeBytes : COMPACT.sizeBytes;
    if (offset + headerBytes > length) throw invalidImage(offset, `inode ${nid}`, 'is cut short');
    const layout = layoutOf(format & LAYOUT_MASK);
    if (layout === undefined) {
      throw invalidImage(offset, `inode ${nid}`, `unknown layout ${format & LAYOUT_MASK}`);
    }
    const mode = view.getUint16(offset + COMPACT.mode, true);
    const type = typeOfMode(mode);
    if (type === undefined) {
      throw invalidImage(offset, `inode ${nid}`, `unknown file type in mode ${mode.toString(8)}`);
    }
    const xattrCount = view.getUint16(offset + COMPACT.xattrCount, true);
    const xattrBytes = xattrCount === 0 ? 0 : XATTR_HEADER.sizeBytes + 4 * (xattrCount - 1);
    const union = view.getUint32(offset + COMPACT.union, true);
    const numbers = isExtended ? this.#extended(offset) : this.#compact(offset);
    // Written out: a spread costs as much as all the rest of this.
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

  /** Bytes of an inode in the inode area: header, xattrs, and what is inline. */
  spanBytes(inode: ErofsInode): number {
    return inode.headerBytes + inode.xattrBytes + this.#inlineBytes(inode);
  }

  /**
   * Finds what a path names, without following symlinks; leading and trailing slashes do not matter. Undefined when
   * nothing is there or the path leads through something that is no directory.
   */
  findPath(path: string): ErofsInode | undefined {
    let inode = this.inode(this.rootNid);
    for (const name of path.split('/')) {
      if (name === '') continue;
      if (inode.type !== 'directory') return undefined;
      const nid = this.#lookup(inode, name);
      if (nid === undefined) return undefined;
      inode = this.inode(nid);
    }
    return inode;
  }

  /** All entries of a directory as stored, `.` and `..` included. @throws FormatError EROFS_INVALID */
  *entries(directory: ErofsInode): Generator<ErofsEntry> {
    if (directory.type !== 'directory') {
      throw invalidImage(directory.offset, `inode ${directory.nid}`, 'is not a directory');
    }
    for (const [start, end] of this.#extents(directory)) yield* this.#blockEntries(start, end);
  }

  /**
   * Entries of a directory in byte order, without `.` and `..`, and in the root of V0 and V1 without the stub
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
    this.visitXattrs(inode, (at) => xattrs.push(this.#xattrOf(at)));
    return xattrs;
  }

  /**
   * Shows where each xattr of an inode begins, shared ones first, once it is sure that it lies in the image whole.
   * @throws FormatError EROFS_INVALID
   */
  visitXattrs(inode: ErofsInode, visit: (offset: number) => void): void {
    if (inode.xattrBytes === 0) return;
    const start = inode.offset + inode.headerBytes;
    const end = start + inode.xattrBytes;
    const sharedCount = this.#view.getUint8(start + XATTR_HEADER.sharedCount);
    let at = start + XATTR_HEADER.sizeBytes;
    if (at + 4 * sharedCount > end) {
      throw invalidImage(
        start,
        `xattrs of inode ${inode.nid}`,
        `${sharedCount} references do not fit`,
      );
    }
    for (let count = 0; count < sharedCount; count += 1) {
      const id = this.#view.getUint32(at, true);
      const shared = this.header.xattrOffset + id * 4;
      this.#endOfXattr(shared, this.bytes.length);
      visit(shared);
      at += 4;
    }
    while (at < end) {
      const next = this.#endOfXattr(at, end);
      visit(at);
      at = next;
    }
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

  /** Xattrs as the user gave them: overlay bookkeeping removed, escapes undone. Source: core spec 6.6 */
  xattrs(inode: ErofsInode): Map<ByteString, Uint8Array> {
    return unescapeXattrs(this.rawXattrs(inode));
  }

  /** True for a whiteout: a native one, or one that V0 and V1 wrote as an empty file. */
  isWhiteout(inode: ErofsInode): boolean {
    if (inode.type === 'chr') return inode.rdev === 0;
    if (inode.type !== 'regular' || inode.sizeBytes !== 0) return false;
    return this.rawXattrs(inode).some(([name]) => name === WHITEOUT_MARKER);
  }

  /**
   * The object of an external file, undefined for other inodes.
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
   * The bytes that an inode holds inside the image: content of an inline file, target of a symlink. Empty for
   * chunk-based files, whose bytes are elsewhere. A copy. @throws FormatError EROFS_INVALID
   */
  readInline(inode: ErofsInode): Uint8Array {
    if (inode.layout === 'chunkBased') return new Uint8Array(0);
    const whole = new Uint8Array(Math.min(inode.sizeBytes, this.bytes.length));
    let filled = 0;
    for (const [start, end] of this.#extents(inode)) {
      whole.set(this.bytes.subarray(start, end), filled);
      filled += end - start;
    }
    return filled === whole.length ? whole : whole.subarray(0, filled);
  }

  #compact(offset: number): InodeNumbers {
    const view = this.#view;
    return {
      nlink: view.getUint16(offset + COMPACT.nlink, true),
      sizeBytes: view.getUint32(offset + COMPACT.size, true),
      uid: view.getUint16(offset + COMPACT.uid, true),
      gid: view.getUint16(offset + COMPACT.gid, true),
      mtimeSec: this.header.buildTimeSec,
      mtimeNsec: this.header.buildTimeNsec,
    };
  }

  #extended(offset: number): InodeNumbers {
    const view = this.#view;
    const high = view.getUint32(offset + EXTENDED.size + 4, true);
    if (high > 2 ** 21) throw invalidImage(offset, 'inode size', 'is above 2^53');
    return {
      nlink: view.getUint32(offset + EXTENDED.nlink, true),
      sizeBytes: high * 2 ** 32 + view.getUint32(offset + EXTENDED.size, true),
      uid: view.getUint32(offset + EXTENDED.uid, true),
      gid: view.getUint32(offset + EXTENDED.gid, true),
      mtimeSec: view.getBigInt64(offset + EXTENDED.mtimeSec, true),
      mtimeNsec: view.getUint32(offset + EXTENDED.mtimeNsec, true),
    };
  }

  #inlineBytes(inode: ErofsInode): number {
    if (inode.layout === 'flatInline') return inode.sizeBytes % this.header.blockSize;
    return inode.layout === 'chunkBased' ? 4 : 0;
  }

  #checkSpan(inode: ErofsInode): void {
    const { length } = this.bytes;
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

  /** Ranges of the image that hold the bytes of an inode: its blocks one by one, then what is inline. */
  *#extents(inode: ErofsInode): Generator<readonly [start: number, end: number]> {
    if (inode.layout === 'chunkBased') return;
    const { blockSize } = this.header;
    const blocks = this.#blocks(inode);
    let left = inode.sizeBytes;
    for (let block = 0; block < blocks; block += 1) {
      const start = (inode.union + block) * blockSize;
      yield [start, start + Math.min(blockSize, left)];
      left -= Math.min(blockSize, left);
    }
    const inline = inode.offset + inode.headerBytes + inode.xattrBytes;
    if (left > 0 && inode.layout === 'flatInline') yield [inline, inline + left];
  }

  *#blockEntries(start: number, end: number): Generator<ErofsEntry> {
    const view = this.#view;
    if (start + DIRENT.sizeBytes > end)
      throw invalidImage(start, 'directory block', 'is too short');
    const first = view.getUint16(start + DIRENT.nameOffset, true);
    if (first === 0 || first % DIRENT.sizeBytes !== 0 || start + first > end) {
      throw invalidImage(start, 'directory block', `first name at ${first}`);
    }
    const count = first / DIRENT.sizeBytes;
    let nameStart = start + first;
    for (let entry = 0; entry < count; entry += 1) {
      const at = start + entry * DIRENT.sizeBytes;
      let nameEnd = end;
      if (entry + 1 < count) {
        nameEnd = start + view.getUint16(at + DIRENT.sizeBytes + DIRENT.nameOffset, true);
      } else {
        const nul = this.bytes.subarray(nameStart, end).indexOf(0);
        if (nul >= 0) nameEnd = nameStart + nul;
      }
      const length = nameEnd - nameStart;
      if (nameEnd > end || length <= 0 || length > NAME_LENGTH_LIMIT) {
        throw invalidImage(at, 'directory entry', `a name of ${length} bytes`);
      }
      const name = this.#buffer.toString('latin1', nameStart, nameEnd) as ByteString;
      if (name.includes('/') || name.includes('\0')) {
        throw invalidImage(at, 'directory entry', 'a name with a slash or a NUL');
      }
      const high = view.getUint32(at + DIRENT.nid + 4, true);
      yield { name, nid: high * 2 ** 32 + view.getUint32(at + DIRENT.nid, true) };
      nameStart = nameEnd;
    }
  }

  #lookup(directory: ErofsInode, name: string): number | undefined {
    for (const entry of this.entries(directory)) if (entry.name === name) return entry.nid;
    return undefined;
  }

  /** Where the next xattr begins. */
  #endOfXattr(at: number, end: number): number {
    if (at + XATTR_ENTRY.sizeBytes > end) throw invalidImage(at, 'xattr', 'is past the end');
    const nameLength = this.#view.getUint8(at + XATTR_ENTRY.nameLength);
    const valueLength = this.#view.getUint16(at + XATTR_ENTRY.valueLength, true);
    const bytes = XATTR_ENTRY.sizeBytes + nameLength + valueLength;
    if (at + bytes > end) throw invalidImage(at, 'xattr', 'is cut short');
    return at + Math.ceil(bytes / 4) * 4;
  }

  #xattrOf(at: number): StoredXattr {
    const name = at + XATTR_ENTRY.sizeBytes;
    const value = name + this.#view.getUint8(at + XATTR_ENTRY.nameLength);
    const valueLength = this.#view.getUint16(at + XATTR_ENTRY.valueLength, true);
    return {
      index: this.#view.getUint8(at + XATTR_ENTRY.nameIndex),
      suffix: this.#buffer.toString('latin1', name, value) as ByteString,
      value: this.bytes.subarray(value, value + valueLength),
    };
  }
}

type InodeNumbers = Pick<
  ErofsInode,
  'nlink' | 'sizeBytes' | 'uid' | 'gid' | 'mtimeSec' | 'mtimeNsec'
>;

function layoutOf(bits: number): ErofsInode['layout'] | undefined {
  if (bits === LAYOUT.flatPlain) return 'flatPlain';
  if (bits === LAYOUT.flatInline) return 'flatInline';
  return bits === LAYOUT.chunkBased ? 'chunkBased' : undefined;
}

/**
 * Opens an image held in memory; the bytes must not change while it is used.
 * @throws FormatError EROFS_TOO_LARGE, EROFS_MAGIC_INVALID, EROFS_FEATURE_UNKNOWN, EROFS_INVALID
 */
export function openImage(bytes: Uint8Array, options: OpenOptions = {}): ErofsImage {
  return new ErofsImage(bytes, options);
}
