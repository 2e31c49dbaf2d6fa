import type { ObjectId } from '#base/digest';
import { objectIdBytes } from '#formats/fsverity';

/** Words of four bytes that are kept of each digest: finding two ids with the same 16 bytes is infeasible. */
const KEY_WORDS = 4;
/** Bytes of a digest that are kept. */
export const KEY_BYTES = KEY_WORDS * 4;
/** One table for each first byte of a digest, so that a scan of one fan-out directory stays within a small table. */
const TABLES = 256;
/** Initial capacity of a table, in keys. */
const CAPACITY_MIN = 16;

/**
 * The objects that the roots of a repository reach, as the first 16 bytes of their digests: an object costs 22 to 86 bytes. Digests are
 * words of four bytes in memory order.
 */
export class ReachedObjects {
  readonly #digestBytes: number;
  readonly #digestWords: number;
  readonly #tables = Array.from({ length: TABLES }, () => new KeyTable());

  constructor(digestBytes: number) {
    this.#digestBytes = digestBytes;
    this.#digestWords = digestBytes / 4;
  }

  /** Makes room for more digests, so that the tables need not grow step by step. */
  reserve(count: number): void {
    for (const table of this.#tables) table.reserve(count / TABLES);
  }

  /** Adds an id. An id of another algorithm is ignored. */
  add(id: ObjectId): void {
    const words = this.#wordsOf(id);
    if (words !== undefined) this.addWords(words, 0);
  }

  /** True if the id was added. */
  has(id: ObjectId): boolean {
    const words = this.#wordsOf(id);
    return words !== undefined && this.hasWords(words, 0);
  }

  /** Adds the digest at `at`. */
  addWords(words: Uint32Array, at: number): void {
    (this.#tables[(words[at] as number) & 0xff] as KeyTable).add(words, at);
  }

  /** True if the digest at `at` was added. */
  hasWords(words: Uint32Array, at: number): boolean {
    return (this.#tables[(words[at] as number) & 0xff] as KeyTable).has(words, at);
  }

  /** Adds concatenated digests from the start of a buffer. */
  addDigests(digests: Uint8Array<ArrayBuffer>): void {
    const words = new Uint32Array(digests.buffer, digests.byteOffset, digests.length / 4);
    for (let at = 0; at < words.length; at += this.#digestWords) this.addWords(words, at);
  }

  #wordsOf(id: ObjectId): Uint32Array | undefined {
    if (id.length !== this.#digestBytes * 2) return undefined;
    return new Uint32Array(Uint8Array.from(objectIdBytes(id)).buffer);
  }
}

/**
 * An open-addressing hash table of keys; at most three quarters full. Zeros mark an empty slot. Words are handled as signed numbers: V8
 * allocates memory for larger ones when they pass from function to function.
 */
class KeyTable {
  #slots = new Int32Array(CAPACITY_MIN * KEY_WORDS);
  #size = 0;
  #hasZero = false;

  add(words: Uint32Array, at: number): void {
    if (isZero(words, at)) {
      this.#hasZero = true;
      return;
    }
    const slot = slotOf(this.#slots, words, at);
    if (!isZero(this.#slots, slot)) return;
    copyKey(words, at, this.#slots, slot);
    this.#size += 1;
    if (this.#size * KEY_WORDS * 4 > this.#slots.length * 3) {
      this.#growTo((this.#slots.length / KEY_WORDS) * 2);
    }
  }

  has(words: Uint32Array, at: number): boolean {
    if (isZero(words, at)) return this.#hasZero;
    return !isZero(this.#slots, slotOf(this.#slots, words, at));
  }

  reserve(count: number): void {
    const slots = ((this.#size + count) * 4) / 3;
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(slots, CAPACITY_MIN)));
    if (capacity * KEY_WORDS > this.#slots.length) this.#growTo(capacity);
  }

  #growTo(capacity: number): void {
    const old = this.#slots;
    const slots = new Int32Array(capacity * KEY_WORDS);
    for (let from = 0; from < old.length; from += KEY_WORDS) {
      if (!isZero(old, from)) copyKey(old, from, slots, slotOf(slots, old, from));
    }
    this.#slots = slots;
  }
}

/** Digests as a caller has them, or the slots of a table. */
type Words = Uint32Array | Int32Array;

/** Index of the slot of a key, or of the empty slot for it. */
function slotOf(slots: Int32Array, words: Words, at: number): number {
  const mask = slots.length - 1;
  const a = (words[at] as number) | 0;
  const b = (words[at + 1] as number) | 0;
  const c = (words[at + 2] as number) | 0;
  const d = (words[at + 3] as number) | 0;
  let slot = (hashOf(a, b) * KEY_WORDS) & mask;
  for (; ; slot = (slot + KEY_WORDS) & mask) {
    const isSame =
      slots[slot] === a && slots[slot + 1] === b && slots[slot + 2] === c && slots[slot + 3] === d;
    if (isSame || isZero(slots, slot)) return slot;
  }
}

function isZero(words: Words, at: number): boolean {
  return words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0 && words[at + 3] === 0;
}

function copyKey(from: Words, at: number, to: Int32Array, slot: number): void {
  to[slot] = (from[at] as number) | 0;
  to[slot + 1] = (from[at + 1] as number) | 0;
  to[slot + 2] = (from[at + 2] as number) | 0;
  to[slot + 3] = (from[at + 3] as number) | 0;
}

/** Random per process, against hash flooding. */
const [FIRST_FACTOR, SECOND_FACTOR] = [0, 1].map(
  () => Math.floor(Math.random() * 2 ** 31) * 2 + 1,
) as [number, number];

function hashOf(first: number, second: number): number {
  const mixed = Math.imul(first, FIRST_FACTOR) ^ Math.imul(second, SECOND_FACTOR);
  const spread = Math.imul(mixed ^ (mixed >>> 15), 0x9e3779b1);
  return (spread ^ (spread >>> 13)) & 0x7ffffff;
}
