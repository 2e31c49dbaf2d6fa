import assert from 'node:assert';
import { hash } from 'node:crypto';
import type { ObjectId } from '#base/digest';
import { BlockViews } from './block-views.ts';
import {
  ALGORITHMS,
  DESCRIPTOR,
  VERITY_BLOCK_BITS,
  VERITY_BLOCK_BYTES,
  type VerityAlgorithm,
} from './layout.ts';

/**
 * One level of the Merkle tree: the digests of the block being filled, and how many digests it ever got. Digests are latin1 strings,
 * put together as a block only when that is hashed: adding to a string costs less than a write into a buffer.
 */
interface Level {
  digests: string;
  count: number;
}

/**
 * Computes the fs-verity digest of bytes that arrive in pieces of any size. Memory is constant: one data block and one
 * block a tree level. Full blocks are hashed in place, without a copy, before `update` returns.
 * Source: Linux Documentation/filesystems/fsverity.rst, "Merkle tree" and "fs-verity descriptor".
 */
export class VerityHasher {
  readonly #algorithm: VerityAlgorithm;
  readonly #digestBytes: number;
  readonly #levels: Level[] = [];
  readonly #staging = new Uint8Array(VERITY_BLOCK_BYTES);
  readonly #block = Buffer.alloc(VERITY_BLOCK_BYTES);
  readonly #descriptor = Buffer.alloc(DESCRIPTOR.sizeBytes);
  readonly #views = new BlockViews();
  #stagedBytes = 0;
  #sizeBytes = 0;

  constructor(algorithm: VerityAlgorithm) {
    this.#algorithm = algorithm;
    this.#digestBytes = ALGORITHMS[algorithm].digestBytes;
    this.#levels.push(emptyLevel());
    this.#descriptor[DESCRIPTOR.version] = 1;
    this.#descriptor[DESCRIPTOR.hashAlgorithm] = ALGORITHMS[algorithm].kernelId;
    this.#descriptor[DESCRIPTOR.blockBits] = VERITY_BLOCK_BITS;
  }

  /** Bytes taken so far. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Takes the next bytes; they may be reused by the caller afterwards. */
  update(bytes: Uint8Array): void {
    this.#sizeBytes += bytes.length;
    let at = 0;
    if (this.#stagedBytes > 0) {
      at = Math.min(VERITY_BLOCK_BYTES - this.#stagedBytes, bytes.length);
      this.#staging.set(bytes.subarray(0, at), this.#stagedBytes);
      this.#stagedBytes += at;
      if (this.#stagedBytes < VERITY_BLOCK_BYTES) return;
      this.#push(0, hash(this.#algorithm, this.#staging, 'latin1'));
      this.#stagedBytes = 0;
    }
    const end = bytes.length - ((bytes.length - at) % VERITY_BLOCK_BYTES);
    while (at < end) at = this.#hashBlocks(bytes, at, end);
    if (end < bytes.length) {
      this.#staging.set(bytes.subarray(end));
      this.#stagedBytes = bytes.length - end;
    }
  }

  /**
   * Takes the next bytes as the digests that `hashBlocks` made of them, perhaps in another thread. Everything taken before must have
   * been whole blocks; after a part of `sizeBytes` that is not, nothing more may follow.
   */
  updateHashed(digests: Uint8Array, sizeBytes: number): void {
    assert.equal(this.#sizeBytes % VERITY_BLOCK_BYTES, 0, 'digests after a short block');
    assert.equal(
      digests.length,
      Math.ceil(sizeBytes / VERITY_BLOCK_BYTES) * this.#digestBytes,
      'one digest for each block',
    );
    this.#sizeBytes += sizeBytes;
    const view = Buffer.from(digests.buffer, digests.byteOffset, digests.byteLength);
    for (let at = 0; at < view.length; at += this.#digestBytes) {
      this.#push(0, view.toString('latin1', at, at + this.#digestBytes));
    }
  }

  /** The digest of everything taken; the hasher is empty again and may take another file. */
  finish(): ObjectId {
    const id = this.#describe(this.#root());
    for (const level of this.#levels) {
      level.digests = '';
      level.count = 0;
    }
    this.#stagedBytes = 0;
    this.#sizeBytes = 0;
    return id;
  }

  /** Hashes full data blocks until the first level has a full block or `end` is reached; returns where it stopped. */
  #hashBlocks(bytes: Uint8Array, start: number, end: number): number {
    const level = this.#level(0);
    const algorithm = this.#algorithm;
    let { digests } = level;
    const room = (VERITY_BLOCK_BYTES - digests.length) / this.#digestBytes;
    const count = Math.min(room, (end - start) / VERITY_BLOCK_BYTES);
    const views = this.#views.of(bytes, start, count);
    const { first } = this.#views;
    // The hot loop of every pull: a digest as a latin1 string costs less than one in a fresh buffer.
    for (let index = first; index < first + count; index += 1) {
      digests += hash(algorithm, views[index] as Uint8Array, 'latin1');
    }
    level.digests = digests;
    level.count += count;
    if (count === room) this.#promote(0);
    return start + count * VERITY_BLOCK_BYTES;
  }

  /** Adds a digest (latin1) to a level; a block that is full moves up as one digest. */
  #push(depth: number, digest: string): void {
    const level = this.#level(depth);
    level.digests += digest;
    level.count += 1;
    if (level.digests.length === VERITY_BLOCK_BYTES) this.#promote(depth);
  }

  /** Hashes the block of a level, padded with zeros, into the level above and starts it anew. */
  #promote(depth: number): void {
    const level = this.#level(depth);
    const { length } = level.digests;
    this.#block.write(level.digests, 0, 'latin1');
    if (length < VERITY_BLOCK_BYTES) this.#block.fill(0, length);
    level.digests = '';
    this.#push(depth + 1, hash(this.#algorithm, this.#block, 'latin1'));
  }

  #level(depth: number): Level {
    const level = this.#levels[depth];
    if (level !== undefined) return level;
    const added = emptyLevel();
    this.#levels.push(added);
    return added;
  }

  /** The root digest (latin1): the only digest of the first level that ever got just one. */
  #root(): string {
    if (this.#sizeBytes === 0) return '\0'.repeat(this.#digestBytes);
    if (this.#stagedBytes > 0) {
      this.#staging.fill(0, this.#stagedBytes);
      this.#push(0, hash(this.#algorithm, this.#staging, 'latin1'));
    }
    for (let depth = 0; ; depth += 1) {
      const level = this.#level(depth);
      if (level.count === 1) return level.digests;
      if (level.digests !== '') this.#promote(depth);
    }
  }

  #describe(root: string): ObjectId {
    const descriptor = this.#descriptor;
    descriptor.writeUInt32LE(this.#sizeBytes % 2 ** 32, DESCRIPTOR.dataSize);
    descriptor.writeUInt32LE(Math.floor(this.#sizeBytes / 2 ** 32), DESCRIPTOR.dataSize + 4);
    descriptor.write(root, DESCRIPTOR.rootHash, 'latin1');
    return hash(this.#algorithm, descriptor, 'hex') as ObjectId;
  }
}

/**
 * Hashes the data blocks of a part of a file that begins at a block boundary, for `VerityHasher.updateHashed`: writes one digest for
 * each block of 4096 bytes into `into` and returns the bytes written. A short last block is zero-padded: it ends the file.
 */
export function hashBlocks(
  bytes: Uint8Array,
  algorithm: VerityAlgorithm,
  into: Uint8Array,
): number {
  const target = Buffer.from(into.buffer, into.byteOffset, into.byteLength);
  const count = Math.floor(bytes.length / VERITY_BLOCK_BYTES);
  const views = partViews.of(bytes, 0, count);
  const { first } = partViews;
  let digests = '';
  let written = 0;
  for (let index = first; index < first + count; index += 1) {
    digests += hash(algorithm, views[index] as Uint8Array, 'latin1');
    if (digests.length < VERITY_BLOCK_BYTES) continue;
    written += target.write(digests, written, 'latin1');
    digests = '';
  }
  if (count * VERITY_BLOCK_BYTES < bytes.length) {
    const padded = Buffer.alloc(VERITY_BLOCK_BYTES);
    padded.set(bytes.subarray(count * VERITY_BLOCK_BYTES));
    digests += hash(algorithm, padded, 'latin1');
  }
  return written + target.write(digests, written, 'latin1');
}

/** Kept between the parts that a thread hashes. */
const partViews = new BlockViews();

function emptyLevel(): Level {
  return { digests: '', count: 0 };
}

/** One hasher an algorithm, reused by `computeVerity`, which never leaves one half full. */
const SHARED = { sha256: new VerityHasher('sha256'), sha512: new VerityHasher('sha512') } as const;

/** The fs-verity digest of bytes at hand. Only the last, short block is copied. */
export function computeVerity(bytes: Uint8Array, algorithm: VerityAlgorithm): ObjectId {
  const hasher = SHARED[algorithm];
  hasher.update(bytes);
  return hasher.finish();
}
