import type { ByteString } from '#base/bytes';
import { FormatError } from '#base/errors';

const NOT_HEX = 0xff;
const HEX_VALUE = new Uint8Array(256).fill(NOT_HEX);
const HEX_DIGIT = new Uint8Array(16);
for (let value = 0; value < 16; value += 1) {
  const code = value.toString(16).charCodeAt(0);
  HEX_VALUE[code] = value;
  HEX_DIGIT[value] = code;
}

/**
 * The object ids of an image, without duplicates, as raw digests in one array: a Map of a million strings would be slow.
 * Positions are assigned in order of first use.
 */
export class ObjectTable {
  readonly digestBytes: number;
  /** Inodes whose metacopy, and whose redirect, name the object. */
  metacopyCount: Uint32Array;
  redirectCount: Uint32Array;
  count = 0;
  readonly #hex: Buffer;
  #digests: Uint8Array;
  /** Open addressing: pairs of a position (or -1) and its hash, so that most mismatches are found without comparing digests. */
  #buckets: Int32Array;

  /** @param expected number of ids to allocate for; the table grows beyond it */
  constructor(digestBytes: number, expected: number) {
    const capacity = Math.max(64, 2 ** Math.ceil(Math.log2(expected + 1)));
    this.digestBytes = digestBytes;
    this.metacopyCount = new Uint32Array(capacity);
    this.redirectCount = new Uint32Array(capacity);
    this.#buckets = new Int32Array(capacity * 4).fill(-1);
    this.#hex = Buffer.alloc(digestBytes * 2);
    this.#digests = new Uint8Array(capacity * digestBytes);
  }

  /** Returns the position of an id. @throws FormatError TREE_INVALID when the id is not lower-case hex of the right length */
  position(id: string): number {
    const size = this.digestBytes;
    if (this.count === this.metacopyCount.length) this.#grow();
    const digests = this.#digests;
    const hex = this.#hex;
    const at = this.count * size;
    // Copy the string, usually a slice of a larger one, to bytes once: half the time of charCodeAt.
    const length = hex.write(id, 0, 'latin1');
    let wrong = id.length === size * 2 && length === size * 2 ? 0 : NOT_HEX;
    for (let index = 0; index < size; index += 1) {
      const high = HEX_VALUE[hex[index * 2] as number] as number;
      const low = HEX_VALUE[hex[index * 2 + 1] as number] as number;
      wrong |= high | low;
      digests[at + index] = high * 16 + low;
    }
    if (wrong > 0x0f) throw notAnId(id, size);
    const buckets = this.#buckets;
    const mask = buckets.length - 1;
    const hash = this.#hash(at);
    let bucket = (hash << 1) & mask;
    for (let known = buckets[bucket] as number; known >= 0; known = buckets[bucket] as number) {
      if (buckets[bucket + 1] === hash && this.#equal(known * size, at)) return known;
      bucket = (bucket + 2) & mask;
    }
    buckets[bucket] = this.count;
    buckets[bucket + 1] = hash;
    this.count += 1;
    return this.count - 1;
  }

  /** Copies the digest at a position. */
  writeDigest(position: number, into: Uint8Array, offset: number): void {
    const at = position * this.digestBytes;
    for (let index = 0; index < this.digestBytes; index += 1) {
      into[offset + index] = this.#digests[at + index] as number;
    }
  }

  /** Writes `/xx/rest`, two characters longer than the hex of the digest. */
  writeRedirect(position: number, into: Uint8Array, offset: number): void {
    const at = position * this.digestBytes;
    into[offset] = 0x2f;
    into[offset + 3] = 0x2f;
    let to = offset + 1;
    for (let index = 0; index < this.digestBytes; index += 1) {
      const value = this.#digests[at + index] as number;
      into[to] = HEX_DIGIT[value >> 4] as number;
      into[to + 1] = HEX_DIGIT[value & 15] as number;
      to += index === 0 ? 3 : 2;
    }
  }

  /** Bytes that {@link writeRedirect} writes. */
  get redirectBytes(): number {
    return this.digestBytes * 2 + 2;
  }

  /** The redirect of a position as a string. */
  redirectText(position: number): ByteString {
    const bytes = Buffer.alloc(this.redirectBytes);
    this.writeRedirect(position, bytes, 0);
    return bytes.toString('latin1') as ByteString;
  }

  /** The digest of a position as a string of bytes. */
  digestText(position: number): ByteString {
    const bytes = Buffer.alloc(this.digestBytes);
    this.writeDigest(position, bytes, 0);
    return bytes.toString('latin1') as ByteString;
  }

  /** Hashes all bytes: the first bytes of a digest are uniform, but a hostile tree may choose them. */
  #hash(at: number): number {
    let hash = 0;
    for (let index = 0; index < this.digestBytes; index += 4) {
      const word =
        (this.#digests[at + index] as number) |
        ((this.#digests[at + index + 1] as number) << 8) |
        ((this.#digests[at + index + 2] as number) << 16) |
        ((this.#digests[at + index + 3] as number) << 24);
      hash = Math.imul(hash ^ word, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    return hash | 0;
  }

  #equal(a: number, b: number): boolean {
    for (let index = 0; index < this.digestBytes; index += 1) {
      if (this.#digests[a + index] !== this.#digests[b + index]) return false;
    }
    return true;
  }

  #grow(): void {
    const capacity = this.metacopyCount.length * 2;
    const digests = new Uint8Array(capacity * this.digestBytes);
    digests.set(this.#digests);
    this.#digests = digests;
    this.metacopyCount = widen(this.metacopyCount, capacity);
    this.redirectCount = widen(this.redirectCount, capacity);
    this.#buckets = new Int32Array(capacity * 4).fill(-1);
    const mask = this.#buckets.length - 1;
    for (let position = 0; position < this.count; position += 1) {
      const hash = this.#hash(position * this.digestBytes);
      let bucket = (hash << 1) & mask;
      while ((this.#buckets[bucket] as number) >= 0) bucket = (bucket + 2) & mask;
      this.#buckets[bucket] = position;
      this.#buckets[bucket + 1] = hash;
    }
  }
}

function widen(old: Uint32Array, capacity: number): Uint32Array<ArrayBuffer> {
  const wide = new Uint32Array(capacity);
  wide.set(old);
  return wide;
}

function notAnId(id: string, size: number): FormatError {
  return new FormatError(
    'TREE_INVALID',
    `Cannot write object id "${id.slice(0, 140)}": expected ${size * 2} lower-case hex characters`,
    { offset: 0, what: 'object id', found: id.slice(0, 140) },
  );
}
