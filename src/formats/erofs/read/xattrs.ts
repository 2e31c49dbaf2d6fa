import type { ByteString } from '#base/bytes';
import { XATTR_ENTRY, XATTR_HEADER } from '../layout.ts';
import type { ImageBytes } from './image-bytes.ts';
import type { ErofsInode, StoredXattr } from './inode.ts';
import { invalidImage } from './superblock.ts';

/**
 * Calls `visit` with start and end of each xattr of an inode, shared xattrs first, after checking that it lies inside the image.
 * @param sharedOffset offset of the shared xattrs of the image
 * @throws FormatError EROFS_INVALID
 */
export function visitXattrs(
  bytes: ImageBytes,
  sharedOffset: number,
  inode: ErofsInode,
  visit: (offset: number, end: number) => void,
): void {
  if (inode.xattrBytes === 0) return;
  const start = inode.offset + inode.headerBytes;
  const end = start + inode.xattrBytes;
  const sharedCount = bytes.u8(start + XATTR_HEADER.sharedCount);
  let at = start + XATTR_HEADER.sizeBytes;
  if (at + 4 * sharedCount > end) {
    throw invalidImage(
      start,
      `xattrs of inode ${inode.nid}`,
      `${sharedCount} references do not fit`,
    );
  }
  for (let count = 0; count < sharedCount; count += 1) {
    const shared = sharedOffset + bytes.u32(at) * 4;
    visit(shared, Math.min(endOfXattr(bytes, shared, bytes.sizeBytes), bytes.sizeBytes));
    at += 4;
  }
  while (at < end) {
    const next = endOfXattr(bytes, at, end);
    visit(at, Math.min(next, end));
    at = next;
  }
}

/** Decodes the xattr at an offset that `visitXattrs` reported. */
export function xattrAt(bytes: ImageBytes, offset: number): StoredXattr {
  const index = bytes.u8(offset + XATTR_ENTRY.nameIndex);
  const nameLength = bytes.u8(offset + XATTR_ENTRY.nameLength);
  const valueLength = bytes.u16(offset + XATTR_ENTRY.valueLength);
  const name = bytes.locate(offset + XATTR_ENTRY.sizeBytes, nameLength + valueLength);
  const value = name + nameLength;
  return {
    index,
    suffix: bytes.buffer.toString('latin1', name, value) as ByteString,
    value: bytes.buffer.subarray(value, value + valueLength),
  };
}

/** Returns the offset of the next xattr. */
function endOfXattr(bytes: ImageBytes, at: number, end: number): number {
  if (at + XATTR_ENTRY.sizeBytes > end) throw invalidImage(at, 'xattr', 'is past the end');
  const nameLength = bytes.u8(at + XATTR_ENTRY.nameLength);
  const valueLength = bytes.u16(at + XATTR_ENTRY.valueLength);
  const sizeBytes = XATTR_ENTRY.sizeBytes + nameLength + valueLength;
  if (at + sizeBytes > end) throw invalidImage(at, 'xattr', 'is cut short');
  return at + Math.ceil(sizeBytes / 4) * 4;
}
