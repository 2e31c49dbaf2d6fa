import { EXTENT_FLAG } from '#host';
import { type OwnerSets, SETS_MAX, tooLarge } from './owner-sets.ts';

/** Most extents of one filesystem: 24 bits of a key number them. Each takes 16 bytes, so the table takes at most 256 MiB. */
export const EXTENTS_MAX = 1 << 24;
/** Blocks of a filesystem: the other 40 bits of a key. */
const BLOCKS_MAX = 2 ** 40;
const CAPACITY_MIN = 1 << 12;

/** Bits of the column of sets. */
const ENCODED = 0x8000_0000;
const SHARED = 0x4000_0000;

/** Extents without a place of their own. */
const PLACELESS =
  EXTENT_FLAG.unknown |
  EXTENT_FLAG.delayed |
  EXTENT_FLAG.notAligned |
  EXTENT_FLAG.inline |
  EXTENT_FLAG.tail;

/** Bytes by set of owners; the index is the set. */
export interface SetTotals {
  /** Each physical byte once. */
  readonly bytes: Float64Array;
  /** Of these, bytes that only one extent here uses, although the filesystem says that they are shared: something else uses them, too. */
  readonly elsewhereBytes: Float64Array;
  /** Of these, bytes of encoded extents: at most so many, because the filesystem does not tell how long they are on the disk. */
  readonly encodedBytes: Float64Array;
}

/**
 * The extents of one filesystem with the owners of each, in columns: 8 bytes for place and number, 4 for the length, 4 for the set. One sort
 * and one sweep then count each physical byte once.
 */
export class ExtentTable {
  readonly #blockBytes: number;
  /** Place of the first block in the upper 40 bits, number of the extent in the lower 24; two words for each. */
  #keys = new Uint32Array(2 * CAPACITY_MIN);
  #blocks = new Uint32Array(CAPACITY_MIN);
  #sets = new Uint32Array(CAPACITY_MIN);
  #size = 0;
  /** Content that has no place of its own, by inode, so that a hard link counts once: bytes and set. */
  readonly #placeless = new Map<number, { bytes: number; set: number }>();

  constructor(blockBytes: number) {
    this.#blockBytes = blockBytes;
  }

  /** Number of extents. */
  get size(): number {
    return this.#size;
  }

  /** Adds an extent as `ExtentReader` shows it. False if it has no place of its own: see `addPlaceless`. @throws UnsupportedError ACCOUNT_TOO_LARGE */
  add(physical: number, sizeBytes: number, flags: number, set: number): boolean {
    if ((flags & PLACELESS) !== 0) return false;
    const start = Math.floor(physical / this.#blockBytes);
    const blocks = Math.ceil((physical + sizeBytes) / this.#blockBytes) - start;
    const index = this.#size;
    if (index === EXTENTS_MAX) throw tooLarge('extents', EXTENTS_MAX);
    if (start + blocks > BLOCKS_MAX || blocks > 0xffff_ffff) throw tooLarge('blocks', BLOCKS_MAX);
    if (index === this.#blocks.length) this.#grow();
    this.#keys[2 * index] = ((start & 0xff) << 24) | index;
    this.#keys[2 * index + 1] = Math.floor(start / 0x100);
    this.#blocks[index] = blocks;
    const bits =
      ((flags & (EXTENT_FLAG.encoded | EXTENT_FLAG.encrypted)) !== 0 ? ENCODED : 0) |
      ((flags & EXTENT_FLAG.shared) !== 0 ? SHARED : 0);
    this.#sets[index] = set | bits;
    this.#size += 1;
    return true;
  }

  /** Adds content of an inode that has no place: inline, delayed, or on a filesystem that tells no extents. */
  addPlaceless(inode: number, bytes: number, set: number, sets: OwnerSets): void {
    const known = this.#placeless.get(inode);
    if (known === undefined) {
      if (this.#placeless.size === EXTENTS_MAX) throw tooLarge('inodes', EXTENTS_MAX);
      this.#placeless.set(inode, { bytes, set });
      return;
    }
    known.bytes = Math.max(known.bytes, bytes);
    known.set = sets.union(known.set, set);
  }

  /** Counts the bytes of each set of owners. The table is of no use afterwards. */
  sweep(sets: OwnerSets): SetTotals {
    const keys = new BigUint64Array(this.#keys.buffer, 0, this.#size);
    keys.sort();
    const sweep = new Sweep(sets, this.#blockBytes);
    for (let at = 0; at < this.#size; ) at = this.#addGroup(sweep, at);
    sweep.advance(Number.POSITIVE_INFINITY);
    for (const { bytes, set } of this.#placeless.values()) sweep.count(set, bytes);
    return sweep.totals();
  }

  /** Adds all extents that begin at one block; returns the position of the next. */
  #addGroup(sweep: Sweep, from: number): number {
    const start = this.#startAt(from);
    let to = from + 1;
    while (to < this.#size && this.#startAt(to) === start) to += 1;
    // An encoded extent ends before the next one begins, whatever length its content has.
    const next = to < this.#size ? this.#startAt(to) : Number.POSITIVE_INFINITY;
    sweep.advance(start);
    for (let at = from; at < to; at += 1) {
      const index = (this.#keys[2 * at] as number) & (EXTENTS_MAX - 1);
      const bits = this.#sets[index] as number;
      const end = start + (this.#blocks[index] as number);
      const isEncoded = (bits & ENCODED) !== 0;
      sweep.add(bits & (SETS_MAX - 1), isEncoded ? Math.min(end, next) : end, {
        isEncoded,
        isShared: (bits & SHARED) !== 0,
      });
    }
    return to;
  }

  #startAt(position: number): number {
    return (
      (this.#keys[2 * position + 1] as number) * 0x100 +
      ((this.#keys[2 * position] as number) >>> 24)
    );
  }

  #grow(): void {
    const grown = (column: Uint32Array<ArrayBuffer>) => {
      const next = new Uint32Array(column.length * 2);
      next.set(column);
      return next;
    };
    this.#keys = grown(this.#keys);
    this.#blocks = grown(this.#blocks);
    this.#sets = grown(this.#sets);
  }
}

/**
 * A position that moves up the blocks of a filesystem. Of the extents that cover the position, it holds the farthest end of each set, so an
 * extent that a hundred thousand files share costs as much as one of two.
 */
class Sweep {
  readonly #sets: OwnerSets;
  readonly #blockBytes: number;
  readonly #bytes: number[] = [];
  readonly #elsewhere: number[] = [];
  readonly #encoded: number[] = [];
  /** Sets that cover the position, and their ends. */
  readonly #active = new Map<number, number>();
  #position = 0;
  /** The union of the active sets; undefined after a change. */
  #union: number | undefined;
  /** Ends of the two extents that reach farthest: up to the second, two extents cover each block. */
  #farthest = 0;
  #second = 0;
  #isFarthestShared = false;
  #encodedEnd = 0;

  constructor(sets: OwnerSets, blockBytes: number) {
    this.#sets = sets;
    this.#blockBytes = blockBytes;
  }

  add(set: number, end: number, bits: { isEncoded: boolean; isShared: boolean }): void {
    if (end <= this.#position) return;
    const known = this.#active.get(set);
    if (known === undefined || known < end) this.#active.set(set, end);
    if (known === undefined) this.#union = undefined;
    if (end > this.#farthest) {
      this.#second = this.#farthest;
      this.#farthest = end;
      this.#isFarthestShared = bits.isShared;
    } else this.#second = Math.max(this.#second, end);
    if (bits.isEncoded) this.#encodedEnd = Math.max(this.#encodedEnd, end);
  }

  /** Counts what is covered up to `to`, and moves there. */
  advance(to: number): void {
    while (this.#position < to && this.#active.size > 0) {
      let end = to;
      for (const one of this.#active.values()) if (one < end) end = one;
      if (this.#second > this.#position && this.#second < end) end = this.#second;
      if (this.#encodedEnd > this.#position && this.#encodedEnd < end) end = this.#encodedEnd;
      this.#countTo(end);
      for (const [set, one] of this.#active) {
        if (one > end) continue;
        this.#active.delete(set);
        this.#union = undefined;
      }
    }
    if (to !== Number.POSITIVE_INFINITY) this.#position = to;
  }

  #countTo(end: number): void {
    this.#union ??= [...this.#active.keys()].reduce(
      (one, other) => this.#sets.union(one, other),
      0,
    );
    const bytes = (end - this.#position) * this.#blockBytes;
    this.count(this.#union, bytes);
    const isSingle = this.#second <= this.#position;
    if (isSingle && this.#isFarthestShared) add(this.#elsewhere, this.#union, bytes);
    if (this.#encodedEnd > this.#position) add(this.#encoded, this.#union, bytes);
    this.#position = end;
  }

  count(set: number, bytes: number): void {
    add(this.#bytes, set, bytes);
  }

  totals(): SetTotals {
    const column = (values: readonly number[]) => {
      return Float64Array.from({ length: this.#sets.count }, (_, set) => values[set] ?? 0);
    };
    return {
      bytes: column(this.#bytes),
      elsewhereBytes: column(this.#elsewhere),
      encodedBytes: column(this.#encoded),
    };
  }
}

function add(column: number[], set: number, bytes: number): void {
  column[set] = (column[set] ?? 0) + bytes;
}
