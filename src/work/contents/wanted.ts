import { HEX_VALUES } from '#base/bytes';
import type { ContentDigest } from '#base/digest';
import type { ChunkedFile } from '#formats/chunked';
import type { ContentPlace } from './place.ts';

/** Length of the prefix of a digest that identifies a content here, in bytes; the reader of a content verifies its whole digest. */
export const KEY_BYTES = 16;
const KEY_WORDS = KEY_BYTES / 4;

/** The offset of a content in its place. */
export interface FoundContent {
  readonly source: ContentPlace;
  readonly offset: number;
}

/**
 * Wanted contents, files and chunks by their digests, and the places found for them. Sources read what is wanted and offer places; the first
 * offer is used. Nothing is verified here.
 */
export class WantedContents {
  /** Concatenated keys, and the required size of each. */
  readonly #keys: Uint32Array;
  readonly #sizes: Float64Array;
  readonly #found: (FoundContent | undefined)[];
  /** Open addressing by the first word of a key: 1 more than its index. */
  readonly #slots: Int32Array;
  #count = 0;
  #foundCount = 0;

  constructor(files: readonly ChunkedFile[]) {
    const most = files.reduce((sum, { chunks }) => sum + 1 + chunks.length, 0);
    this.#keys = new Uint32Array(most * KEY_WORDS);
    this.#sizes = new Float64Array(most);
    this.#found = new Array(most);
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(2 * most, 16))));
    for (const { digest, sizeBytes, chunks } of files) {
      this.#add(digest, sizeBytes);
      if (chunks.length < 2) continue;
      for (const chunk of chunks) if (!chunk.isZeros) this.#add(chunk.digest, chunk.sizeBytes);
    }
  }

  /** Number of different contents without an offer. */
  get missingCount(): number {
    return this.#count - this.#foundCount;
  }

  /** True when this content is wanted and has no offer yet. */
  isMissing(digest: ContentDigest, sizeBytes: number): boolean {
    const index = this.#indexOf(wordsOf(digest), 0);
    return index >= 0 && this.#found[index] === undefined && this.#sizes[index] === sizeBytes;
  }

  /** Index of a wanted content by its key, which is in `words` from `at` on; -1 when it is not wanted. */
  find(words: Uint32Array, at: number): number {
    return this.#indexOf(words, at);
  }

  /** Offers a wanted content by its index. */
  offerAt(index: number, sizeBytes: number, content: FoundContent): void {
    if (this.#found[index] !== undefined || this.#sizes[index] !== sizeBytes) return;
    this.#found[index] = content;
    this.#foundCount += 1;
  }

  /** Offers a content, wanted or not. */
  offer(digest: ContentDigest, sizeBytes: number, content: FoundContent): void {
    const index = this.#indexOf(wordsOf(digest), 0);
    if (index >= 0) this.offerAt(index, sizeBytes, content);
  }

  /** The place found for a content; undefined when no source offered it, or the offer was withdrawn. */
  content(digest: ContentDigest, sizeBytes: number): FoundContent | undefined {
    const index = this.#indexOf(wordsOf(digest), 0);
    const found = index < 0 ? undefined : this.#found[index];
    return found !== undefined && this.#sizes[index] === sizeBytes ? found : undefined;
  }

  /** Withdraws an offer whose content is gone or differs: the content counts as missing, and may be offered again. */
  withdraw(digest: ContentDigest): void {
    const index = this.#indexOf(wordsOf(digest), 0);
    if (index < 0 || this.#found[index] === undefined) return;
    this.#found[index] = undefined;
    this.#foundCount -= 1;
  }

  #add(digest: ContentDigest, sizeBytes: number): void {
    const words = wordsOf(digest);
    const mask = this.#slots.length - 1;
    for (let slot = (words[0] as number) & mask; ; slot = (slot + 1) & mask) {
      const taken = (this.#slots[slot] as number) - 1;
      if (taken < 0) {
        this.#keys.set(words, this.#count * KEY_WORDS);
        this.#sizes[this.#count] = sizeBytes;
        this.#count += 1;
        this.#slots[slot] = this.#count;
        return;
      }
      if (this.#isAt(taken, words, 0)) return;
    }
  }

  #indexOf(words: Uint32Array, at: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = (words[at] as number) & mask; ; slot = (slot + 1) & mask) {
      const taken = (this.#slots[slot] as number) - 1;
      if (taken < 0 || this.#isAt(taken, words, at)) return taken;
    }
  }

  #isAt(index: number, words: Uint32Array, at: number): boolean {
    const start = index * KEY_WORDS;
    for (let word = 0; word < KEY_WORDS; word += 1) {
      if (this.#keys[start + word] !== words[at + word]) return false;
    }
    return true;
  }
}

const WORDS = new Uint32Array(KEY_WORDS);

/** The key of a digest as words, little-endian; valid until the next call. */
function wordsOf(digest: ContentDigest): Uint32Array {
  let at = digest.indexOf(':') + 1;
  for (let word = 0; word < KEY_WORDS; word += 1) {
    let value = 0;
    for (let shift = 0; shift < 32; shift += 8, at += 2) {
      const high = HEX_VALUES[digest.charCodeAt(at)] as number;
      value |= ((high << 4) | (HEX_VALUES[digest.charCodeAt(at + 1)] as number)) << shift;
    }
    WORDS[word] = value;
  }
  return WORDS;
}

/** The key of a digest as bytes, on a little-endian machine, as all are here; valid until the next call. */
export function keyOf(digest: ContentDigest): Uint8Array {
  return new Uint8Array(wordsOf(digest).buffer);
}
