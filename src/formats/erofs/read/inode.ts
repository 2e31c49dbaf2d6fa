import type { ByteString } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { LAYOUT, LAYOUT_MASK } from '../layout.ts';

/** Type of an inode, named as in the tree model; `regular` for all four forms of a regular file. */
export type InodeType = 'regular' | 'directory' | 'chr' | 'blk' | 'fifo' | 'socket' | 'symlink';

const TYPE_OF_BITS: ReadonlyMap<number, InodeType> = new Map([
  [0o010000, 'fifo'],
  [0o020000, 'chr'],
  [0o040000, 'directory'],
  [0o060000, 'blk'],
  [0o100000, 'regular'],
  [0o120000, 'symlink'],
  [0o140000, 'socket'],
]);

/** An inode as stored in the image. Offsets and lengths in bytes. */
export interface ErofsInode {
  readonly nid: number;
  readonly type: InodeType;
  /** Permission bits. */
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSec: bigint;
  readonly mtimeNsec: number;
  /** Device number of chr and blk, else 0. */
  readonly rdev: number;
  /** Offset of the header, and lengths of header and xattr section. */
  readonly offset: number;
  readonly headerBytes: number;
  readonly xattrBytes: number;
  readonly layout: 'flatPlain' | 'flatInline' | 'chunkBased';
  /** i_u as stored: first block, chunk format or device number. */
  readonly union: number;
}

/** An entry of a directory. */
export interface ErofsEntry {
  readonly name: ByteString;
  readonly nid: number;
}

/** An xattr as stored: prefix index, suffix, value (a view into the image). */
export interface StoredXattr {
  readonly index: number;
  readonly suffix: ByteString;
  readonly value: Uint8Array;
}

/** The object of an external file; `isVerified` is false when the image has no digest for the kernel to verify. */
export interface ObjectReference {
  readonly id: ObjectId;
  readonly isVerified: boolean;
}

/** Returns the type from the upper bits of a mode (stat(2)); undefined for unknown bits. */
export function typeOfMode(mode: number): InodeType | undefined {
  return TYPE_OF_BITS.get(mode & 0o170000);
}

/** Returns the data layout from the format field of an inode; undefined for a layout that composefs never writes. */
export function layoutOf(format: number): ErofsInode['layout'] | undefined {
  const bits = format & LAYOUT_MASK;
  if (bits === LAYOUT.flatPlain) return 'flatPlain';
  if (bits === LAYOUT.flatInline) return 'flatInline';
  return bits === LAYOUT.chunkBased ? 'chunkBased' : undefined;
}
