import type { ObjectId } from '#base/digest';
import type { Leaf, LeafIndex, Stat } from '../model.ts';
import { ContentArena } from './content-arena.ts';
import { DigestPool } from './digest-pool.ts';
import { StatList } from './stat-list.ts';

/** Where the rest of a leaf is. */
const FORM = {
  /** In `#others`. */
  other: 0,
  /** In the arena. */
  inline: 1,
  /** In the pool. */
  external: 2,
  externalNoVerity: 3,
} as const;

const KIND_OF_FORM = [undefined, 'inline', 'external', 'externalNoVerity'] as const;

/** Leaves that fit at first. */
const CAPACITY_MIN = 16;

/** What lists with the same contents share; only ever appended to. */
interface Stores {
  pool: DigestPool | undefined;
  readonly arena: ContentArena;
}

/**
 * The leaves of a tree by index. Files are columns and raw bytes, because a million objects with strings of hex would need about three times
 * the memory; `at` makes an object when it is asked for one, so compare leaves by index.
 */
export class LeafList implements Iterable<Leaf> {
  #length = 0;
  #forms = new Uint8Array(CAPACITY_MIN);
  #refs = new Uint32Array(CAPACITY_MIN);
  #sizes = new Float64Array(CAPACITY_MIN);
  #stats = new StatList();
  #others: Leaf[] = [];
  #stores: Stores = { pool: undefined, arena: new ContentArena() };

  get length(): number {
    return this.#length;
  }

  /** The ids of files with objects; undefined if there are none. */
  get pool(): DigestPool | undefined {
    return this.#stores.pool;
  }

  /** Appends a leaf and returns its index. Small contents are copied. */
  push(leaf: Leaf): LeafIndex {
    const index = this.#length;
    if (index === this.#forms.length) this.#grow();
    this.#length += 1;
    this.#put(index, leaf);
    return index;
  }

  /** Replaces the leaf at an index of the list. */
  set(index: LeafIndex, leaf: Leaf): void {
    this.#put(index, leaf);
  }

  /** The leaf at an index; undefined if there is none. */
  at(index: LeafIndex): Leaf | undefined {
    if (!(index >= 0 && index < this.#length)) return undefined;
    const ref = this.#refs[index] as number;
    const sizeBytes = this.#sizes[index] as number;
    switch (this.#forms[index]) {
      case FORM.inline:
        return {
          kind: 'inline',
          stat: this.#stats.at(index),
          content: this.#stores.arena.read(ref, sizeBytes),
        };
      case FORM.external:
        return { kind: 'external', stat: this.#stats.at(index), id: this.#idAt(ref), sizeBytes };
      case FORM.externalNoVerity:
        return {
          kind: 'externalNoVerity',
          stat: this.#stats.at(index),
          id: this.#idAt(ref),
          sizeBytes,
        };
      default:
        return this.#others[ref];
    }
  }

  /** `at(index).kind`. */
  kindAt(index: LeafIndex): Leaf['kind'] {
    const form = this.#forms[index] as number;
    return KIND_OF_FORM[form] ?? (this.#others[this.#refs[index] as number] as Leaf).kind;
  }

  /** `at(index).stat`. */
  statAt(index: LeafIndex): Stat {
    return this.#stats.at(index);
  }

  /** Replaces the stat of a leaf. */
  setStat(index: LeafIndex, stat: Stat): void {
    this.#stats.set(index, stat);
    if (this.#forms[index] !== FORM.other) return;
    const ref = this.#refs[index] as number;
    this.#others[ref] = { ...(this.#others[ref] as Leaf), stat };
  }

  /** Bytes of a regular file; 0 for other leaves. */
  sizeAt(index: LeafIndex): number {
    return this.#sizes[index] as number;
  }

  /** Position in the pool of the id of a file with an object; undefined for other leaves, and for an id that the pool cannot hold. */
  objectAt(index: LeafIndex): number | undefined {
    const form = this.#forms[index] as number;
    return form >= FORM.external ? (this.#refs[index] as number) : undefined;
  }

  /** True if the predicate is true for any leaf. */
  some(predicate: (leaf: Leaf) => boolean): boolean {
    for (const leaf of this) if (predicate(leaf)) return true;
    return false;
  }

  *[Symbol.iterator](): Iterator<Leaf> {
    for (let index = 0; index < this.#length; index += 1) yield this.at(index) as Leaf;
  }

  /** A list of the same leaves; changes of one do not change the other. */
  clone(): LeafList {
    const copy = new LeafList();
    copy.#length = this.#length;
    copy.#forms = this.#forms.slice();
    copy.#refs = this.#refs.slice();
    copy.#sizes = this.#sizes.slice();
    copy.#stats = this.#stats.clone();
    copy.#others = this.#others.slice();
    copy.#stores = this.#stores;
    return copy;
  }

  /** Drops the leaves whose entry in `counts` is 0. Returns the new index of each other leaf, by old index. */
  compact(counts: Uint32Array): Uint32Array {
    const renumbered = new Uint32Array(this.#length);
    const others: Leaf[] = [];
    let kept = 0;
    for (let index = 0; index < this.#length; index += 1) {
      if (counts[index] === 0) continue;
      const ref = this.#refs[index] as number;
      const isOther = this.#forms[index] === FORM.other;
      this.#refs[kept] = isOther ? others.push(this.#others[ref] as Leaf) - 1 : ref;
      this.#forms[kept] = this.#forms[index] as number;
      this.#sizes[kept] = this.#sizes[index] as number;
      this.#stats.move(index, kept);
      renumbered[index] = kept;
      kept += 1;
    }
    this.#length = kept;
    this.#others = others;
    return renumbered;
  }

  #put(index: LeafIndex, leaf: Leaf): void {
    this.#stats.set(index, leaf.stat);
    const form = this.#putFile(index, leaf);
    this.#forms[index] = form;
    if (form !== FORM.other) return;
    this.#sizes[index] =
      'sizeBytes' in leaf ? leaf.sizeBytes : 'content' in leaf ? leaf.content.length : 0;
    this.#refs[index] = this.#others.push(leaf) - 1;
  }

  /** Puts a file into the columns, if they can hold it. */
  #putFile(index: LeafIndex, leaf: Leaf): number {
    const stores = this.#stores;
    if (leaf.kind === 'inline') {
      const place = stores.arena.add(leaf.content);
      if (place === undefined) return FORM.other;
      this.#refs[index] = place;
      this.#sizes[index] = leaf.content.length;
      return FORM.inline;
    }
    if (leaf.kind !== 'external' && leaf.kind !== 'externalNoVerity') return FORM.other;
    if (stores.pool === undefined && isDigestLength(leaf.id)) {
      stores.pool = new DigestPool(leaf.id.length / 2);
    }
    const position = stores.pool?.add(leaf.id);
    if (position === undefined) return FORM.other;
    this.#refs[index] = position;
    this.#sizes[index] = leaf.sizeBytes;
    return FORM[leaf.kind];
  }

  #idAt(position: number): ObjectId {
    return (this.#stores.pool as DigestPool).hexAt(position) as ObjectId;
  }

  #grow(): void {
    const capacity = this.#forms.length + (this.#forms.length >> 1);
    this.#forms = widen(this.#forms, new Uint8Array(capacity));
    this.#refs = widen(this.#refs, new Uint32Array(capacity));
    this.#sizes = widen(this.#sizes, new Float64Array(capacity));
  }
}

function isDigestLength(id: string): boolean {
  return id.length === 64 || id.length === 128;
}

function widen<Column extends Uint8Array | Uint32Array | Float64Array>(
  old: Column,
  wide: Column,
): Column {
  wide.set(old);
  return wide;
}
