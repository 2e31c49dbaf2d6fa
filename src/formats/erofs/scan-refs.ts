import type { ObjectId } from '#base/digest';
import { OVERLAY, XATTR_ENTRY } from './layout.ts';
import { openImage } from './reader.ts';
import type { OpenOptions } from './superblock.ts';
import { parseMetacopy, parseRedirect } from './xattr-names.ts';

/** Index of the prefix `trusted.` in stored xattrs. Source: Linux fs/erofs/erofs_fs.h EROFS_XATTR_INDEX_TRUSTED */
const TRUSTED_INDEX = 4;
const PREFIX = 'trusted.';

/**
 * Finds at least the objects that {@link listObjectRefs} names, without walking the tree: an xattr is stored in one piece, so every
 * metacopy and redirect that a walk could reach lies somewhere in the image as its name and then its value. Names more only where
 * file content looks like such an xattr. It does not check the structure of the image: use it where naming too much is harmless and
 * the bytes are known to be what was written.
 * @throws FormatError as {@link openImage}
 */
export function scanObjectRefs(bytes: Uint8Array, options: OpenOptions = {}): Set<ObjectId> {
  openImage(bytes, options);
  const ids = new Set<ObjectId>();
  scan(bytes, OVERLAY.metacopy, parseMetacopy, ids);
  scan(bytes, OVERLAY.redirect, parseRedirect, ids);
  return ids;
}

function scan(
  bytes: Uint8Array,
  name: string,
  parse: (value: Uint8Array) => ObjectId | undefined,
  ids: Set<ObjectId>,
): void {
  const image = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const suffix = Buffer.from(name.slice(PREFIX.length), 'latin1');
  for (let at = image.indexOf(suffix); at >= 0; at = image.indexOf(suffix, at + suffix.length)) {
    const entry = at - XATTR_ENTRY.sizeBytes;
    if (entry < 0 || image[entry + XATTR_ENTRY.nameLength] !== suffix.length) continue;
    if (image[entry + XATTR_ENTRY.nameIndex] !== TRUSTED_INDEX) continue;
    const start = at + suffix.length;
    const end = start + image.readUInt16LE(entry + XATTR_ENTRY.valueLength);
    const id = parse(bytes.subarray(start, end));
    if (id !== undefined) ids.add(id);
  }
}
