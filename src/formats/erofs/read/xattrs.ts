import type { ByteString } from '#base/bytes';
import { XATTR_ENTRY, XATTR_HEADER } from '../layout.ts';
import type { ImageBytes } from './image-bytes.ts';
import type { ErofsInode, StoredXattr } from './inode.ts';
import { invalidImage } from './superblock.ts';

/**
 * Shows where each xattr of an inode begins and ends, shared ones first, once it is sure that it lies in the image whole.
 * @param sharedOffset where the shared xattrs of the image begin
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

/** The xattr at an offset that `visitXattrs` showed. */
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

/** Where the next xattr begins. */
function endOfXattr(bytes: ImageBytes, at: number, end: number): number {
  if (at + XATTR_ENTRY.sizeBytes > end) throw invalidImage(at, 'xattr', 'is past the end');
  const nameLength = bytes.u8(at + XATTR_ENTRY.nameLength);
  const valueLength = bytes.u16(at + XATTR_ENTRY.valueLength);
  const sizeBytes = XATTR_ENTRY.sizeBytes + nameLength + valueLength;
  if (at + sizeBytes > end) throw invalidImage(at, 'xattr', 'is cut short');
  return at + Math.ceil(sizeBytes / 4) * 4;
}
