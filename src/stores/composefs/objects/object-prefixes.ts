import type { ObjectId } from '#base/digest';
import { objectIdBytes } from '#formats/fsverity';

/** Words of four bytes that are kept of each digest. */
const PREFIX_WORDS = 2;
/** Initial capacity, in ids. */
const CAPACITY_MIN = 1024;

/**
 * A set of the first eight bytes of object ids. A match means that the id, or another id with the same prefix, was added. Where that is
 * enough, it costs a fifth of an `ObjectSet` of complete ids.
 */
export class ObjectPrefixes {
  /** Words of four bytes in a digest. */
  readonly #digestWords: number;
  readonly #digestBytes: number;
  /** An open-addressing hash table of prefixes; zeros mark an empty slot. At most half full. */
  #slots = new Int32Array(CAPACITY_MIN * 2 * PREFIX_WORDS);
  #size = 0;
  #hasZero = false;

  constructor(digestBytes: number) {
    this.#digestBytes = digestBytes;
    this.#digestWords = digestBytes / 4;
  }

  /** Number of prefixes. */
  get size(): number {
    return this.#size;
  }

  /** Adds an id. An id of another algorithm is ignored. */
  add(id: ObjectId): void {
    if (id.length === this.#digestBytes * 2) this.addDigests(Uint8Array.from(objectIdBytes(id)));
  }

  /** Adds concatenated digests from the start of a buffer. */
  addDigests(digests: Uint8Array<ArrayBuffer>): void {
    const words = new Int32Array(digests.buffer, digests.byteOffset, digests.length / 4);
    this.#makeRoom(words.length / this.#digestWords);
    for (let at = 0; at < words.length; at += this.#digestWords) {
      this.#add(words[at] as number, words[at + 1] as number);
    }
  }

  /** Adds an id by its first words, in memory order. */
  addWords(first: number, second: number): void {
    this.#makeRoom(1);
    this.#add(first, second);
  }

  /** True if an id with the same prefix was added. */
  has(id: ObjectId): boolean {
    if (id.length !== this.#digestBytes * 2) return false;
    const [first = 0, second = 0] = new Int32Array(Uint8Array.from(objectIdBytes(id)).buffer);
    return this.hasWords(first, second);
  }

  /** True if a digest with these first words, in memory order, was added. */
  hasWords(first: number, second: number): boolean {
    if ((first | second) === 0) return this.#hasZero;
    const at = this.#slotOf(first, second);
    return this.#slots[at] === first && this.#slots[at + 1] === second;
  }

  #add(first: number, second: number): void {
    if ((first | second) === 0) {
      if (!this.#hasZero) this.#size += 1;
      this.#hasZero = true;
      return;
    }
    const at = this.#slotOf(first, second);
    if (this.#slots[at] === first && this.#slots[at + 1] === second) return;
    this.#slots[at] = first;
    this.#slots[at + 1] = second;
    this.#size += 1;
  }

  /** The slot of a prefix, or the empty slot for it. */
  #slotOf(first: number, second: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let at = (hashOf(first, second) * PREFIX_WORDS) & mask;
    while ((slots[at] as number) !== first || (slots[at + 1] as number) !== second) {
      if (slots[at] === 0 && slots[at + 1] === 0) break;
      at = (at + PREFIX_WORDS) & mask;
    }
    return at;
  }

  #makeRoom(count: number): void {
    const wanted = (this.#size + count) * 2 * PREFIX_WORDS;
    if (wanted <= this.#slots.length) return;
    const old = this.#slots;
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(wanted)));
    for (let from = 0; from < old.length; from += PREFIX_WORDS) {
      const first = old[from] as number;
      const second = old[from + 1] as number;
      if ((first | second) === 0) continue;
      const at = this.#slotOf(first, second);
      this.#slots[at] = first;
      this.#slots[at + 1] = second;
    }
  }
}

/** Random per process, against hash flooding. */
const FACTORS = [0, 1].map(() => Math.floor(Math.random() * 2 ** 31) * 2 + 1) as [number, number];

function hashOf(first: number, second: number): number {
  const sum = (Math.imul(first, FACTORS[0]) + Math.imul(second, FACTORS[1])) | 0;
  return sum ^ (sum >>> 15);
}
