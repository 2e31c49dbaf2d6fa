import { HEX_VALUES } from '#base/bytes';
import { type RandomReader, readerOf } from '#base/flow';
import {
  KERNEL_HASH_IDS,
  METACOPY_HEADER_BYTES,
  METACOPY_SUFFIX,
  REDIRECT_SUFFIX,
  TRUSTED_INDEX,
} from '../layout.ts';
import { openImage } from './reader.ts';
import type { OpenOptions } from './superblock.ts';

/** Bytes of `overlay.metacopy` and of `overlay.redirect`. */
const SUFFIX_BYTES = METACOPY_SUFFIX.length;
/** Low half of the header of these xattrs, as a little-endian number: length of the name, then index of the prefix. */
const ENTRY_MARK = SUFFIX_BYTES | (TRUSTED_INDEX << 8);
/** Offset of the value, in words of four bytes: after header and name. */
const VALUE_WORDS = 1 + SUFFIX_BYTES / 4;
const METACOPY = wordsOf(METACOPY_SUFFIX);
const REDIRECT = wordsOf(REDIRECT_SUFFIX);
const SLASH = 0x2f;

/** Receives one digest: `words` from index `at`, valid until the visitor returns. */
export type DigestVisitor = (words: Uint32Array, at: number) => void;

/**
 * Visits at least the digests of this size that {@link listObjectRefs} returns, some more than once, without walking the tree: an xattr
 * is stored contiguously at a multiple of four bytes (Linux erofs_fs.h EROFS_XATTR_ALIGN), so a scan finds header, name and value of
 * every metacopy and redirect that a walk could reach. Extra digests appear only where file content looks like such an xattr. The
 * structure of the image is not checked: use this where extra digests are harmless and the bytes are known to be unchanged.
 * @param digestBytes 32 or 64; digests of another size are ignored
 * @throws FormatError as {@link openImage}
 */
export function scanObjectRefs(
  source: Uint8Array | RandomReader,
  digestBytes: number,
  visit: DigestVisitor,
  options: OpenOptions = {},
): void {
  const image = openImage(source, options);
  const reader = source instanceof Uint8Array ? readerOf(source) : source;
  for (const _done of scanPieces(reader, image.sizeBytes, digestBytes, visit));
}

/**
 * As {@link scanObjectRefs}, and yields each piece of the image, so that scanning and hashing need a single read. Does not open the
 * image again.
 */
export function* scanPieces(
  reader: RandomReader,
  sizeBytes: number,
  digestBytes: number,
  visit: DigestVisitor,
): Generator<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(PIECE_BYTES + TAIL_BYTES);
  const refs = new RefReader(digestBytes, visit);
  let filled = 0;
  for (let offset = 0; offset < sizeBytes; ) {
    const count = reader.read(offset, buffer.subarray(filled));
    if (count === 0) return;
    yield buffer.subarray(filled, filled + count);
    offset += count;
    filled += count;
    const isLast = offset >= sizeBytes;
    if (filled < buffer.length && !isLast) continue;
    refs.image = buffer.subarray(0, filled);
    const words = (isLast ? filled : PIECE_BYTES) >>> 2;
    for (let at = 0; at < words; at += 1) if (refs.isRef(at)) refs.show(at);
    buffer.copyWithin(0, PIECE_BYTES, filled);
    filled -= PIECE_BYTES;
  }
}

/** Bytes per scan, a multiple of four. */
const PIECE_BYTES = 1 << 20;
/** Bytes after a piece that an xattr beginning in the piece may cover: header, name and the longest value, in whole words. */
const TAIL_BYTES = 4 + SUFFIX_BYTES + 0x10000;

/** Reads digests directly from the stored xattrs of an image. */
export class RefReader {
  #words: Uint32Array = new Uint32Array(0);
  #image: Uint8Array = new Uint8Array(0);
  readonly #digestBytes: number;
  readonly #metacopyMark: number;
  readonly #visit: DigestVisitor;
  readonly #pathBytes: Uint8Array;
  readonly #pathWords: Uint32Array;

  constructor(digestBytes: number, visit: DigestVisitor) {
    this.#digestBytes = digestBytes;
    this.#metacopyMark = metacopyMarkOf(digestBytes);
    this.#visit = visit;
    this.#pathBytes = new Uint8Array(digestBytes);
    this.#pathWords = new Uint32Array(this.#pathBytes.buffer);
  }

  /** The image, or a part that begins at a multiple of four bytes; words are counted from the start of the part. */
  set image(bytes: Uint8Array) {
    if (bytes === this.#image) return;
    this.#image = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
    const { buffer, byteOffset, length } = this.#image;
    this.#words = new Uint32Array(buffer, byteOffset, length >>> 2);
  }

  /** True when the xattr that begins at word `at` may be a metacopy or a redirect. */
  isRef(at: number): boolean {
    return ((this.#words[at] as number) & 0xffff) === ENTRY_MARK;
  }

  /** Visits the digest of the xattr that begins at word `at`; false when it has no digest of this size. */
  show(at: number): boolean {
    const words = this.#words;
    const header = words[at] ?? 0;
    const value = at + VALUE_WORDS;
    const valueBytes = header >>> 16;
    const end = value * 4 + valueBytes;
    if (end > this.#image.length) return false;
    if (hasName(words, at + 1, METACOPY)) {
      const isWhole = valueBytes === METACOPY_HEADER_BYTES + this.#digestBytes;
      if (!isWhole || words[value] !== this.#metacopyMark) return false;
      this.#visit(words, value + 1);
      return true;
    }
    if (!hasName(words, at + 1, REDIRECT)) return false;
    if (!parsePath(this.#image, end, valueBytes, this.#pathBytes)) return false;
    this.#visit(this.#pathWords, 0);
    return true;
  }
}

/** Value bytes {0, length, 0, hash id} as a little-endian number. */
function metacopyMarkOf(digestBytes: number): number {
  return ((METACOPY_HEADER_BYTES + digestBytes) << 8) | ((KERNEL_HASH_IDS[digestBytes] ?? 0) << 24);
}

function wordsOf(suffix: string): Uint32Array {
  const bytes = Buffer.from(suffix, 'latin1');
  return Uint32Array.from({ length: bytes.length / 4 }, (_, word) => bytes.readUInt32LE(word * 4));
}

function hasName(words: Uint32Array, at: number, name: Uint32Array): boolean {
  for (let word = 0; word < name.length; word += 1) {
    if (words[at + word] !== name[word]) return false;
  }
  return true;
}

/** Reads the digest of `xx/…`, the last bytes of the value that ends at `end`. False when the value has no such path. */
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
