import type { ByteString } from '#base/bytes';
import {
  ATTRIBUTES,
  ATTRIBUTES_OUT,
  DIRENT,
  ENTRY_OUT,
  INIT_FLAG,
  INIT_FLAG2,
  INIT_OUT,
  NAME_BYTES_MAX,
  OPEN_FLAG,
  OPEN_OUT,
  OUT_HEADER,
  PROTOCOL,
  STATFS_OUT,
  XATTR_OUT,
} from './layout.ts';

/** Attributes of a node, as stat(2) shows them. */
export interface FuseAttributes {
  readonly node: number;
  readonly sizeBytes: number;
  /** Type and permissions. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  /** As the kernel encodes device numbers in 32 bits. */
  readonly rdev: number;
  readonly mtimeSec: bigint;
  readonly mtimeNsec: number;
}

/** Parameters of the server in the reply to `init`. */
export interface FuseSettings {
  readonly minor: number;
  readonly readAheadBytes: number;
  /** Largest read, in pages of 4096 bytes. */
  readonly pagesMax: number;
  /** Flags that the kernel offers; the reply accepts those that the server can use. */
  readonly offered: { readonly flags: number; readonly flags2: number };
  /** The kernel reads files itself, from descriptors that it was given. */
  readonly passthrough: boolean;
}

/** Validity of names and attributes, in seconds: an image never changes. Source: composefs core spec 8.4. */
const VALID_SEC = 1_000_000;
const BLOCK_BYTES = 4096;
const SECTOR_BYTES = 512;
const REQUESTS_WAITING_MAX = 64;
const WANTED =
  INIT_FLAG.asyncRead |
  INIT_FLAG.exportSupport |
  INIT_FLAG.readdirplus |
  INIT_FLAG.readdirplusAuto |
  INIT_FLAG.asyncDirectIo |
  INIT_FLAG.parallelDirectories |
  INIT_FLAG.maxPages |
  INIT_FLAG.cacheSymlinks |
  INIT_FLAG.noOpendir;

/**
 * Writes replies into one reused buffer. Each method returns the reply with its header, which is valid until the next call.
 */
export class FuseReplies {
  readonly #bytes: Buffer;

  /** @param bodyBytesMax longest body, in bytes: the largest read that the kernel may request */
  constructor(bodyBytesMax: number) {
    this.#bytes = Buffer.alloc(OUT_HEADER.sizeBytes + Math.max(bodyBytesMax, ENTRY_OUT.sizeBytes));
  }

  /** Buffer for a body: read file content into it, then call `body`. */
  get room(): Buffer {
    return this.#bytes.subarray(OUT_HEADER.sizeBytes);
  }

  /** A reply whose body was written into `room`. */
  body(unique: bigint, lengthBytes: number): Buffer {
    return this.#finish(unique, lengthBytes);
  }

  /** A reply without a body. @param errno 0 for success */
  status(unique: bigint, errno: number): Buffer {
    return this.#finish(unique, 0, errno);
  }

  init(unique: bigint, settings: FuseSettings): Buffer {
    const { offered, passthrough, pagesMax } = settings;
    const out = this.#cleared(INIT_OUT.sizeBytes);
    const isExtended = passthrough && (offered.flags & INIT_FLAG.extended) !== 0;
    const flags = (offered.flags & WANTED) | (isExtended ? INIT_FLAG.extended : 0);
    out.writeUInt32LE(PROTOCOL.major, INIT_OUT.major);
    out.writeUInt32LE(Math.min(PROTOCOL.minor, settings.minor), INIT_OUT.minor);
    out.writeUInt32LE(settings.readAheadBytes, INIT_OUT.readAhead);
    out.writeUInt32LE(flags >>> 0, INIT_OUT.flags);
    out.writeUInt16LE(REQUESTS_WAITING_MAX, INIT_OUT.maxBackground);
    out.writeUInt16LE((REQUESTS_WAITING_MAX * 3) / 4, INIT_OUT.congestion);
    out.writeUInt32LE(BLOCK_BYTES, INIT_OUT.maxWrite);
    out.writeUInt32LE(1, INIT_OUT.timeGranularity);
    out.writeUInt16LE(pagesMax, INIT_OUT.maxPages);
    if (isExtended) {
      out.writeUInt32LE(offered.flags2 & INIT_FLAG2.passthrough, INIT_OUT.flags2);
      out.writeUInt32LE(1, INIT_OUT.stackDepth);
    }
    return this.#finish(unique, INIT_OUT.sizeBytes);
  }

  entry(unique: bigint, attributes: FuseAttributes): Buffer {
    putEntry(viewOf(this.#cleared(ENTRY_OUT.sizeBytes)), 0, attributes);
    return this.#finish(unique, ENTRY_OUT.sizeBytes);
  }

  /** The name does not exist, and the kernel may cache this. */
  noEntry(unique: bigint): Buffer {
    const out = this.#cleared(ENTRY_OUT.sizeBytes);
    putNumber(viewOf(out), ENTRY_OUT.entryValidSec, VALID_SEC);
    return this.#finish(unique, ENTRY_OUT.sizeBytes);
  }

  attributes(unique: bigint, attributes: FuseAttributes): Buffer {
    const out = viewOf(this.#cleared(ATTRIBUTES_OUT.sizeBytes));
    putNumber(out, ATTRIBUTES_OUT.validSec, VALID_SEC);
    putAttributes(out, ATTRIBUTES_OUT.attributes, attributes);
    return this.#finish(unique, ATTRIBUTES_OUT.sizeBytes);
  }

  /** @param backingId id of a file that the kernel reads itself */
  opened(unique: bigint, handle: number, backingId?: number): Buffer {
    const out = this.#cleared(OPEN_OUT.sizeBytes);
    putNumber(viewOf(out), OPEN_OUT.handle, handle);
    out.writeUInt32LE(
      backingId === undefined ? OPEN_FLAG.keepCache : OPEN_FLAG.passthrough,
      OPEN_OUT.flags,
    );
    out.writeInt32LE(backingId ?? 0, OPEN_OUT.backingId);
    return this.#finish(unique, OPEN_OUT.sizeBytes);
  }

  /** The length of an attribute or a list, for a request of size 0. */
  xattrLength(unique: bigint, lengthBytes: number): Buffer {
    const out = this.#cleared(XATTR_OUT.sizeBytes);
    out.writeUInt32LE(lengthBytes, XATTR_OUT.length);
    return this.#finish(unique, XATTR_OUT.sizeBytes);
  }

  statfs(unique: bigint): Buffer {
    const out = this.#cleared(STATFS_OUT.sizeBytes);
    out.writeUInt32LE(BLOCK_BYTES, STATFS_OUT.blockSize);
    out.writeUInt32LE(NAME_BYTES_MAX, STATFS_OUT.nameLength);
    out.writeUInt32LE(BLOCK_BYTES, STATFS_OUT.fragmentSize);
    return this.#finish(unique, STATFS_OUT.sizeBytes);
  }

  #cleared(lengthBytes: number): Buffer {
    return this.room.subarray(0, lengthBytes).fill(0);
  }

  #finish(unique: bigint, lengthBytes: number, errno = 0): Buffer {
    const reply = this.#bytes.subarray(0, OUT_HEADER.sizeBytes + lengthBytes);
    reply.writeUInt32LE(reply.length, OUT_HEADER.length);
    reply.writeInt32LE(-errno, OUT_HEADER.error);
    reply.writeBigUInt64LE(unique, OUT_HEADER.unique);
    return reply;
  }
}

/** A name in a directory. */
export interface FuseEntry {
  readonly name: ByteString;
  readonly node: number;
  /** Type and permissions. */
  readonly mode: number;
  /** Offset at which a later read continues after this entry. */
  readonly next: number;
}

/** Fills a buffer with the entries of a directory, as `readdir` and `readdirplus` return them. */
export class FuseEntries {
  readonly #room: Buffer;
  readonly #view: DataView;
  #lengthBytes = 0;

  constructor(room: Buffer) {
    this.#room = room;
    this.#view = viewOf(room);
  }

  get lengthBytes(): number {
    return this.#lengthBytes;
  }

  /**
   * Adds an entry. With attributes, the kernel caches it as after a lookup.
   * @param attributes `plain` for `readdir`; undefined for `.` and `..`, which are never looked up
   * @returns false when the buffer has no space for it
   */
  add(entry: FuseEntry, attributes: FuseAttributes | 'plain' | undefined): boolean {
    const before = attributes === 'plain' ? 0 : ENTRY_OUT.sizeBytes;
    const whole = before + DIRENT.sizeBytes + entry.name.length;
    const padded = Math.ceil(whole / DIRENT.align) * DIRENT.align;
    if (this.#lengthBytes + padded > this.#room.length) return false;
    const start = this.#lengthBytes;
    this.#room.fill(0, start, start + padded);
    if (typeof attributes === 'object') putEntry(this.#view, start, attributes);
    const dirent = start + before;
    putNumber(this.#view, dirent + DIRENT.inode, entry.node);
    putNumber(this.#view, dirent + DIRENT.next, entry.next);
    this.#view.setUint32(dirent + DIRENT.nameLength, entry.name.length, true);
    this.#view.setUint32(dirent + DIRENT.type, entry.mode >>> 12, true);
    this.#room.write(entry.name, dirent + DIRENT.sizeBytes, 'latin1');
    this.#lengthBytes += padded;
    return true;
  }
}

function putEntry(out: DataView, at: number, attributes: FuseAttributes): void {
  putNumber(out, at + ENTRY_OUT.nodeId, attributes.node);
  putNumber(out, at + ENTRY_OUT.entryValidSec, VALID_SEC);
  putNumber(out, at + ENTRY_OUT.attributesValidSec, VALID_SEC);
  putAttributes(out, at + ENTRY_OUT.attributes, attributes);
}

function putAttributes(out: DataView, at: number, attributes: FuseAttributes): void {
  const { sizeBytes, mtimeNsec } = attributes;
  const mtimeSec = Number(attributes.mtimeSec);
  putNumber(out, at + ATTRIBUTES.inode, attributes.node);
  putNumber(out, at + ATTRIBUTES.size, sizeBytes);
  putNumber(out, at + ATTRIBUTES.blocks, Math.ceil(sizeBytes / SECTOR_BYTES));
  putNumber(out, at + ATTRIBUTES.atimeSec, mtimeSec);
  putNumber(out, at + ATTRIBUTES.mtimeSec, mtimeSec);
  putNumber(out, at + ATTRIBUTES.ctimeSec, mtimeSec);
  out.setUint32(at + ATTRIBUTES.atimeNsec, mtimeNsec, true);
  out.setUint32(at + ATTRIBUTES.mtimeNsec, mtimeNsec, true);
  out.setUint32(at + ATTRIBUTES.ctimeNsec, mtimeNsec, true);
  out.setUint32(at + ATTRIBUTES.mode, attributes.mode, true);
  out.setUint32(at + ATTRIBUTES.nlink, attributes.nlink, true);
  out.setUint32(at + ATTRIBUTES.uid, attributes.uid, true);
  out.setUint32(at + ATTRIBUTES.gid, attributes.gid, true);
  out.setUint32(at + ATTRIBUTES.rdev, attributes.rdev, true);
  out.setUint32(at + ATTRIBUTES.blockSize, BLOCK_BYTES, true);
}

/** Writes 64 bits, two's complement. A bigint for each number of each entry would cost more than the rest of a listing. */
function putNumber(out: DataView, at: number, value: number): void {
  out.setUint32(at, value % 2 ** 32, true);
  out.setInt32(at + 4, Math.floor(value / 2 ** 32), true);
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
