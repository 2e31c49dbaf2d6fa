import type { ByteString } from '#base/bytes';
import { FormatError } from '#base/errors';
import { DigestPool, type LeafIndex, type LeafList } from '#formats/tree';

/** The object ids of an image, by position in the pool of its tree, and how many inodes name each. */
export class ObjectTable {
  readonly digestBytes: number;
  /** Inodes whose metacopy, and whose redirect, name the object. */
  metacopyCount: Uint32Array;
  redirectCount: Uint32Array;
  readonly #leaves: LeafList;
  readonly #pool: DigestPool;

  constructor(digestBytes: number, leaves: LeafList) {
    this.digestBytes = digestBytes;
    this.#leaves = leaves;
    this.#pool =
      leaves.pool?.digestBytes === digestBytes ? leaves.pool : new DigestPool(digestBytes);
    this.metacopyCount = new Uint32Array(this.#pool.count);
    this.redirectCount = new Uint32Array(this.#pool.count);
  }

  /** Positions are below this number; the image may use only some of them. */
  get count(): number {
    return this.metacopyCount.length;
  }

  /** Returns the position of the object of a leaf. @throws FormatError TREE_INVALID if its id is not one of this algorithm */
  positionOf(leaf: LeafIndex): number {
    const { pool } = this.#leaves;
    const position = pool === this.#pool ? this.#leaves.objectAt(leaf) : undefined;
    if (position !== undefined) return position;
    const found = this.#leaves.at(leaf);
    return this.position(found !== undefined && 'id' in found ? found.id : '');
  }

  /** Returns the position of an id. @throws FormatError TREE_INVALID when the id is not lower-case hex of the right length */
  position(id: string): number {
    const position = this.#pool.add(id);
    if (position === undefined) throw notAnId(id, this.digestBytes);
    if (position >= this.count) {
      const capacity = this.count + (this.count >> 1) + 16;
      this.metacopyCount = widen(this.metacopyCount, capacity);
      this.redirectCount = widen(this.redirectCount, capacity);
    }
    return position;
  }

  /** Copies the digest at a position. */
  writeDigest(position: number, into: Uint8Array, offset: number): void {
    this.#pool.writeDigest(position, into, offset);
  }

  /** Writes `/xx/rest`, two characters longer than the hex of the digest. */
  writeRedirect(position: number, into: Uint8Array, offset: number): void {
    this.#pool.writePath(position, into, offset);
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
