import { HEX_VALUES } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { objectIdBytes, objectIdOf } from '#formats/fsverity';

/** Initial capacity, in ids. */
const CAPACITY_MIN = 1024;
/** Marks an empty slot. */
const EMPTY = -1;

/**
 * A set of object ids of one algorithm as bare digests, because tens of thousands of strings would dominate the cost. Digests are words of
 * four bytes in memory order. Each id has a number, in the order of adding.
 */
export class ObjectSet {
  /** Bytes of a digest. */
  readonly digestBytes: number;
  /** Words of four bytes in a digest. */
  readonly digestWords: number;
  /** Digests, concatenated, in memory that threads can share. */
  #words: Uint32Array<SharedArrayBuffer>;
  /** An open-addressing hash table of the numbers of ids; at most half full. */
  #slots: Int32Array;
  #size = 0;
  /** A digest that is decoded from an id or a name. */
  readonly #bytes: Uint8Array;
  readonly #own: Uint32Array;

  constructor(digestBytes: number, capacity = CAPACITY_MIN) {
    this.digestBytes = digestBytes;
    this.digestWords = digestBytes / 4;
    this.#bytes = new Uint8Array(digestBytes);
    this.#own = new Uint32Array(this.#bytes.buffer);
    const rounded = 2 ** Math.ceil(Math.log2(Math.max(capacity, CAPACITY_MIN)));
    this.#words = sharedWords(rounded * this.digestWords);
    this.#slots = new Int32Array(rounded * 2).fill(EMPTY);
  }

  /** Number of ids. */
  get size(): number {
    return this.#size;
  }

  /** Adds the digest at `at`, and returns the number of the new or existing entry. */
  addWords(words: Uint32Array, at: number): number {
    const slot = this.#slotOf(words, at);
    const known = this.#slots[slot] as number;
    if (known !== EMPTY) return known;
    const added = this.#size;
    this.#slots[slot] = added;
    const start = added * this.digestWords;
    if (start === this.#words.length) this.#growWords();
    for (let word = 0; word < this.digestWords; word += 1) {
      this.#words[start + word] = words[at + word] as number;
    }
    this.#size += 1;
    if (this.#size * 2 > this.#slots.length - 2) this.#growSlots();
    return added;
  }

  /** Number of the digest at `at`, or -1. */
  indexOfWords(words: Uint32Array, at: number): number {
    return this.#slots[this.#slotOf(words, at)] as number;
  }

  /** Adds concatenated digests from the start of a buffer. */
  addDigests(digests: Uint8Array<ArrayBuffer>): void {
    const words = new Uint32Array(digests.buffer, digests.byteOffset, digests.length / 4);
    for (let at = 0; at < words.length; at += this.digestWords) this.addWords(words, at);
  }

  /** Adds an id. An id of another algorithm is ignored. */
  add(id: ObjectId): void {
    if (this.#take(id)) this.addWords(this.#own, 0);
  }

  /** True when the id was added. */
  has(id: ObjectId): boolean {
    return this.indexOf(id) >= 0;
  }

  /** Number of the id, or -1. */
  indexOf(id: ObjectId): number {
    return this.#take(id) ? this.indexOfWords(this.#own, 0) : EMPTY;
  }

  /** The id with a number. */
  idAt(index: number): ObjectId {
    this.#own.set(this.#words.subarray(index * this.digestWords, (index + 1) * this.digestWords));
    return objectIdOf(this.#bytes);
  }

  /** Another set of ids of the same algorithm. */
  of(ids: Iterable<ObjectId>): ObjectSet {
    const set = new ObjectSet(this.digestBytes);
    for (const id of ids) set.add(id);
    return set;
  }

  /** All ids in the order of their numbers. */
  *ids(): Generator<ObjectId> {
    for (let index = 0; index < this.#size; index += 1) yield this.idAt(index);
  }

  /** All digests, concatenated, with free space behind them. Nothing may be added while threads read them. */
  shareDigests(): SharedArrayBuffer {
    return this.#words.buffer;
  }

  #take(id: ObjectId): boolean {
    if (id.length !== this.digestBytes * 2) return false;
    this.#bytes.set(objectIdBytes(id));
    return true;
  }

  /** The slot of a digest, or the empty slot for it. */
  #slotOf(words: Uint32Array, at: number): number {
    const slots = this.#slots;
    const own = this.#words;
    const stride = this.digestWords;
    const mask = slots.length - 1;
    for (let slot = hashOf(words, at, stride) & mask; ; slot = (slot + 1) & mask) {
      const index = slots[slot] as number;
      if (index === EMPTY) return slot;
      const start = index * stride;
      let word = 0;
      while (word < stride && own[start + word] === words[at + word]) word += 1;
      if (word === stride) return slot;
    }
  }

  /** By half: digests of a million objects have 64 MB. */
  #growWords(): void {
    const ids = this.#words.length / this.digestWords;
    const words = sharedWords((ids + (ids >> 1)) * this.digestWords);
    words.set(this.#words);
    this.#words = words;
  }

  #growSlots(): void {
    this.#slots = new Int32Array(this.#slots.length * 2).fill(EMPTY);
    for (let index = 0; index < this.#size; index += 1) {
      this.#slots[this.#slotOf(this.#words, index * this.digestWords)] = index;
    }
  }
}

function sharedWords(length: number): Uint32Array<SharedArrayBuffer> {
  return new Uint32Array(new SharedArrayBuffer(length * Uint32Array.BYTES_PER_ELEMENT));
}

/** Random per process, against hash flooding. */
const SEED = Math.floor(Math.random() * 2 ** 31);

function hashOf(words: Uint32Array, at: number, stride: number): number {
  let hash = SEED;
  for (let word = 0; word < stride; word += 1) {
    hash = Math.imul(hash ^ (words[at + word] as number), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash;
}

/** Decodes the digests of objects from their file names, in memory order. */
export class ObjectNameDecoder {
  /** The digest that was read last. */
  readonly words: Uint32Array;
  readonly #digest: Uint8Array;

  constructor(digestBytes: number) {
    this.#digest = new Uint8Array(digestBytes);
    this.words = new Uint32Array(this.#digest.buffer);
  }

  /** Decodes a name in the fan-out directory number `fanOut`; false if it is not the name of an object. */
  decode(fanOut: number, bytes: Uint8Array, start: number, end: number): boolean {
    return this.#decode(fanOut, bytes, start, end, this.#digest.length);
  }

  /** As `decode`, but only the first bytes. Of the rest of the name, only the length is checked. */
  decodePrefix(
    fanOut: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    prefixBytes: number,
  ): boolean {
    return this.#decode(fanOut, bytes, start, end, prefixBytes);
  }

  #decode(fanOut: number, bytes: Uint8Array, start: number, end: number, count: number): boolean {
    const digest = this.#digest;
    if (end - start !== digest.length * 2 - 2) return false;
    digest[0] = fanOut;
    let seen = 0;
    for (let index = 1, at = start; index < count; index += 1, at += 2) {
      const high = NAME_VALUES[bytes[at] as number] as number;
      const low = NAME_VALUES[bytes[at + 1] as number] as number;
      seen |= high | low;
      digest[index] = (high << 4) | low;
    }
    return seen >= 0;
  }
}

/** Names are lower case. Source: core formats section 1.3, as written by composefs-rs 0.9. */
const NAME_VALUES = HEX_VALUES.map((value, code) =>
  String.fromCharCode(code) === String.fromCharCode(code).toLowerCase() ? value : -1,
);
