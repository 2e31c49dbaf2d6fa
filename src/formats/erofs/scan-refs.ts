import { HEX_VALUES } from '#base/bytes';
import { OVERLAY } from './layout.ts';
import { openImage } from './reader.ts';
import type { OpenOptions } from './superblock.ts';

/** Index of the prefix `trusted.` in stored xattrs. Source: Linux fs/erofs/erofs_fs.h EROFS_XATTR_INDEX_TRUSTED */
const TRUSTED_INDEX = 4;
/** Bytes of `overlay.metacopy` and of `overlay.redirect`. */
const SUFFIX_BYTES = OVERLAY.metacopy.length - 'trusted.'.length;
/** Low half of the header of such an xattr, as a little-endian number: length of the name, then index of the prefix. */
const ENTRY_MARK = SUFFIX_BYTES | (TRUSTED_INDEX << 8);
/** Words of four bytes: header, name, then the value. */
const VALUE_WORDS = 1 + SUFFIX_BYTES / 4;
const METACOPY = nameWords(OVERLAY.metacopy);
const REDIRECT = nameWords(OVERLAY.redirect);
/** What stands before the digest in a metacopy value {0, length, 0, hash id}, in bytes. Source: core spec 5.4 */
const METACOPY_HEADER_BYTES = 4;
/** Kernel hash ids by digest size. Source: core spec 1.1 */
const HASH_IDS: { readonly [digestBytes: number]: number } = { 32: 1, 64: 2 };
const SLASH = 0x2f;

/** Takes one digest: `words` from index `at`, valid until this returns. */
export type DigestVisitor = (words: Uint32Array, at: number) => void;

/**
 * Shows at least the digests of this size that {@link listObjectRefs} names, some more than once, without walking the tree: an xattr is
 * stored in one piece at a multiple of four bytes (Linux erofs_fs.h EROFS_XATTR_ALIGN), so every metacopy and redirect that a walk could
 * reach lies there as its header, its name and its value. Shows more only where file content looks like such an xattr. It does not check
 * the structure of the image: use it where too much is harmless and the bytes are known to be what was written.
 * @param digestBytes 32 or 64; digests of another size are passed over
 * @throws FormatError as {@link openImage}
 */
export function scanObjectRefs(
  bytes: Uint8Array,
  digestBytes: number,
  visit: DigestVisitor,
  options: OpenOptions = {},
): void {
  openImage(bytes, options);
  const image = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const words = new Uint32Array(image.buffer, image.byteOffset, image.length >>> 2);
  const redirectBytes = new Uint8Array(digestBytes);
  const redirect = new Uint32Array(redirectBytes.buffer);
  const metacopyMark = metacopyMarkOf(digestBytes);
  const length = words.length - VALUE_WORDS;
  for (let at = 0; at < length; at += 1) {
    const header = words[at] as number;
    if ((header & 0xffff) !== ENTRY_MARK) continue;
    const value = at + VALUE_WORDS;
    const valueBytes = header >>> 16;
    if (value * 4 + valueBytes > image.length) continue;
    if (hasName(words, at + 1, METACOPY)) {
      const isWhole = valueBytes === METACOPY_HEADER_BYTES + digestBytes;
      if (isWhole && words[value] === metacopyMark) visit(words, value + 1);
    } else if (hasName(words, at + 1, REDIRECT)) {
      if (parsePath(image, value * 4 + valueBytes, valueBytes, redirectBytes)) visit(redirect, 0);
    }
  }
}

/** Value bytes {0, length, 0, hash id} as a little-endian number. */
function metacopyMarkOf(digestBytes: number): number {
  return ((METACOPY_HEADER_BYTES + digestBytes) << 8) | ((HASH_IDS[digestBytes] ?? 0) << 24);
}

function nameWords(name: string): Uint32Array {
  const bytes = Buffer.from(name.slice('trusted.'.length), 'latin1');
  return Uint32Array.from({ length: bytes.length / 4 }, (_, word) => bytes.readUInt32LE(word * 4));
}

function hasName(words: Uint32Array, at: number, name: Uint32Array): boolean {
  for (let word = 0; word < name.length; word += 1) {
    if (words[at + word] !== name[word]) return false;
  }
  return true;
}

/** Reads the digest of `xx/…`, the last bytes of the value that ends at `end`. False when it is no such path. */
function parsePath(
  bytes: Uint8Array,
  end: number,
  valueBytes: number,
  digest: Uint8Array,
): boolean {
  const start = end - (digest.length * 2 + 1);
  if (valueBytes < digest.length * 2 + 1 || bytes[start + 2] !== SLASH) return false;
  let seen = 0;
  for (let index = 0; index < digest.length; index += 1) {
    const at = start + index * 2 + (index === 0 ? 0 : 1);
    const high = HEX_VALUES[bytes[at] as number] as number;
    const low = HEX_VALUES[bytes[at + 1] as number] as number;
    seen |= high | low;
    digest[index] = (high << 4) | low;
  }
  return seen >= 0;
}
