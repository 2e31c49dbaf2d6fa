const NOT_HEX = 0xff;
const HEX_VALUE = new Uint8Array(256).fill(NOT_HEX);
const HEX_DIGIT = new Uint8Array(16);
for (let value = 0; value < 16; value += 1) {
  const code = value.toString(16).charCodeAt(0);
  HEX_VALUE[code] = value;
  HEX_DIGIT[value] = code;
}

/** Digests in a page: pages are never copied, so the pool needs no second buffer while it grows. */
const PAGE_DIGESTS = 4096;
const PAGE_BITS = 12;
const BUCKETS_MIN = 64;
/** Digests that the first page has room for at first; a power of two. */
const FIRST_DIGESTS = 16;
const EMPTY = -1;

/**
 * Object ids of one length without duplicates, as raw digests: a million strings of hex would need three times the memory. Positions are
 * in the order of adding, and never change.
 */
export class DigestPool {
  readonly digestBytes: number;
  #count = 0;
  readonly #hex: Buffer;
  readonly #digest: Uint8Array;
  readonly #pages: Uint8Array[] = [];
  /** Open addressing over positions; at most half full. */
  #buckets = new Int32Array(BUCKETS_MIN).fill(EMPTY);

  constructor(digestBytes: number) {
    this.digestBytes = digestBytes;
    this.#hex = Buffer.alloc(digestBytes * 2);
    this.#digest = new Uint8Array(digestBytes);
  }

  /** Number of digests. */
  get count(): number {
    return this.#count;
  }

  /** Returns the position of an id, new or known; undefined if the text is not lower-case hex of the right length. */
  add(id: string): number | undefined {
    if (!this.#decode(id)) return undefined;
    const hash = hashOf(this.#digest, 0, this.digestBytes);
    let bucket = hash & (this.#buckets.length - 1);
    for (let known = this.#buckets[bucket] as number; known !== EMPTY; ) {
      if (this.#isAt(known)) return known;
      bucket = (bucket + 1) & (this.#buckets.length - 1);
      known = this.#buckets[bucket] as number;
    }
    const added = this.#count;
    this.#buckets[bucket] = added;
    this.#append();
    if (this.#count * 2 > this.#buckets.length) this.#grow();
    return added;
  }

  /** Copies the digest at a position. */
  writeDigest(position: number, into: Uint8Array, offset: number): void {
    const page = this.#pageOf(position);
    const at = this.#offsetOf(position);
    for (let index = 0; index < this.digestBytes; index += 1) {
      into[offset + index] = page[at + index] as number;
    }
  }

  /** Writes `/xx/rest`, the path of the object, two characters longer than the hex of the digest. */
  writePath(position: number, into: Uint8Array, offset: number): void {
    const page = this.#pageOf(position);
    const at = this.#offsetOf(position);
    into[offset] = 0x2f;
    into[offset + 3] = 0x2f;
    let to = offset + 1;
    for (let index = 0; index < this.digestBytes; index += 1) {
      const value = page[at + index] as number;
      into[to] = HEX_DIGIT[value >> 4] as number;
      into[to + 1] = HEX_DIGIT[value & 15] as number;
      to += index === 0 ? 3 : 2;
    }
  }

  /** The id at a position. */
  hexAt(position: number): string {
    const at = this.#offsetOf(position);
    const { buffer, byteOffset } = this.#pageOf(position);
    return Buffer.from(buffer, byteOffset + at, this.digestBytes).toString('hex');
  }

  #pageOf(position: number): Uint8Array {
    return this.#pages[position >>> PAGE_BITS] as Uint8Array;
  }

  #offsetOf(position: number): number {
    return (position & (PAGE_DIGESTS - 1)) * this.digestBytes;
  }

  #decode(id: string): boolean {
    const size = this.digestBytes;
    if (id.length !== size * 2) return false;
    const { hex, digest } = { hex: this.#hex, digest: this.#digest };
    // Copy the string, usually a slice of a larger one, to bytes once: half the time of charCodeAt.
    let wrong = hex.write(id, 0, 'utf8') === size * 2 ? 0 : NOT_HEX;
    for (let index = 0; index < size; index += 1) {
      const high = HEX_VALUE[hex[index * 2] as number] as number;
      const low = HEX_VALUE[hex[index * 2 + 1] as number] as number;
      wrong |= high | low;
      digest[index] = high * 16 + low;
    }
    return wrong <= 0x0f;
  }

  /** True if the digest at a position is the one decoded last. */
  #isAt(position: number): boolean {
    const page = this.#pageOf(position);
    const at = this.#offsetOf(position);
    for (let index = 0; index < this.digestBytes; index += 1) {
      if (page[at + index] !== this.#digest[index]) return false;
    }
    return true;
  }

  /** The first page grows with the pool, so that a small tree needs little memory. */
  #append(): void {
    const [index, at] = [this.#count >>> PAGE_BITS, this.#offsetOf(this.#count)];
    const page = this.#pages[index];
    if (page === undefined || at === page.length) {
      const bytes =
        index > 0
          ? PAGE_DIGESTS * this.digestBytes
          : Math.max(FIRST_DIGESTS * this.digestBytes, at * 2);
      const fresh = new Uint8Array(bytes);
      if (page !== undefined) fresh.set(page);
      this.#pages[index] = fresh;
    }
    (this.#pages[index] as Uint8Array).set(this.#digest, at);
    this.#count += 1;
  }

  #grow(): void {
    const buckets = new Int32Array(this.#buckets.length * 2).fill(EMPTY);
    const mask = buckets.length - 1;
    for (let position = 0; position < this.#count; position += 1) {
      const hash = hashOf(this.#pageOf(position), this.#offsetOf(position), this.digestBytes);
      let bucket = hash & mask;
      while (buckets[bucket] !== EMPTY) bucket = (bucket + 1) & mask;
      buckets[bucket] = position;
    }
    this.#buckets = buckets;
  }
}

/** Random per process, against hash flooding: a hostile image chooses its digests. */
const SEED = Math.floor(Math.random() * 2 ** 31);

function hashOf(bytes: Uint8Array, at: number, length: number): number {
  let hash = SEED;
  for (let index = at; index < at + length; index += 4) {
    const word =
      (bytes[index] as number) |
      ((bytes[index + 1] as number) << 8) |
      ((bytes[index + 2] as number) << 16) |
      ((bytes[index + 3] as number) << 24);
    hash = Math.imul(hash ^ word, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash;
}
