import type { ByteString } from '#base/bytes';
import { encodeHex } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { KERNEL_HASH_IDS, METACOPY_HEADER_BYTES, OVERLAY } from './layout.ts';

/** Marker of a whiteout that was written as an empty regular file. Source: core spec 5.4 */
export const WHITEOUT_MARKER = 'trusted.overlay.overlay.whiteout';

/** Names that writers add and readers hide from users. Source: core spec 6.6 */
const BOOKKEEPING: ReadonlySet<string> = new Set([
  OVERLAY.metacopy,
  OVERLAY.redirect,
  WHITEOUT_MARKER,
  'trusted.overlay.overlay.whiteouts',
  'trusted.overlay.overlay.opaque',
  'user.overlay.whiteout',
  'user.overlay.whiteouts',
  'user.overlay.opaque',
]);

/** Restores the xattrs set by the user: drops bookkeeping, turns `trusted.overlay.overlay.X` back into `trusted.overlay.X`. */
export function unescapeXattrs(
  stored: Iterable<readonly [ByteString, Uint8Array]>,
): Map<ByteString, Uint8Array> {
  const xattrs = new Map<ByteString, Uint8Array>();
  for (const [name, value] of stored) {
    if (BOOKKEEPING.has(name)) continue;
    if (name.startsWith(OVERLAY.escapedPrefix)) {
      const plain = OVERLAY.prefix + name.slice(OVERLAY.escapedPrefix.length);
      xattrs.set(plain as ByteString, value);
    } else if (!name.startsWith(OVERLAY.prefix)) xattrs.set(name, value);
  }
  return xattrs;
}

/** Parses the digest of a metacopy value {0, length, 0, hash id, digest}; undefined when malformed. Source: core spec 5.4, 6.5 */
export function parseMetacopy(value: Uint8Array): ObjectId | undefined {
  const hashId = KERNEL_HASH_IDS[value.length - METACOPY_HEADER_BYTES];
  if (hashId === undefined || value[3] !== hashId) return undefined;
  if (value[0] !== 0 || value[1] !== value.length || value[2] !== 0) return undefined;
  return encodeHex(value.subarray(METACOPY_HEADER_BYTES)) as ObjectId;
}

/** Lengths of an object path, `xx/` and the rest of the digest, longest first. */
const REDIRECT_LENGTHS = [129, 65] as const;
const OBJECT_PATH = /^[0-9a-fA-F]{2}\/[0-9a-fA-F]+$/;

/** Parses the object id at the end of a redirect; undefined when there is none. Source: core spec 1.3, 6.5 */
export function parseRedirect(value: Uint8Array): ObjectId | undefined {
  const tail = value.subarray(-REDIRECT_LENGTHS[0]);
  const text = Buffer.from(tail.buffer, tail.byteOffset, tail.length).toString('latin1');
  for (const length of REDIRECT_LENGTHS) {
    const path = text.slice(-length);
    if (path.length !== length || !OBJECT_PATH.test(path)) continue;
    return `${path.slice(0, 2)}${path.slice(3)}`.toLowerCase() as ObjectId;
  }
  return undefined;
}
