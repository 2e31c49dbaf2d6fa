import assert from 'node:assert';
import type { ObjectId } from '#base/digest';
import { type BlockHash, PlainBlockHash } from './block-hash.ts';
import { writeDescriptor } from './descriptor.ts';
import { ALGORITHMS, DESCRIPTOR, VERITY_BLOCK_BYTES, type VerityAlgorithm } from './layout.ts';

/** One level of the Merkle tree: the block being filled with digests, and the total number of digests added to the level. */
interface Level {
  readonly block: Uint8Array;
  usedBytes: number;
  count: number;
}

/**
 * Computes the fs-verity digest of bytes that arrive in pieces of any size. Memory is constant: one data block and one
 * block a tree level. Full blocks are hashed in place, without a copy, before `update` returns.
 * Source: Linux Documentation/filesystems/fsverity.rst, "Merkle tree" and "fs-verity descriptor".
 */
export class VerityHasher {
  readonly #hash: BlockHash;
  readonly #digestBytes: number;
  readonly #levels: Level[] = [];
  readonly #staging = new Uint8Array(VERITY_BLOCK_BYTES);
  readonly #descriptor = Buffer.alloc(DESCRIPTOR.sizeBytes);
  readonly #id: Buffer;
  #stagedBytes = 0;
  #sizeBytes = 0;

  /** @param hash hashes the blocks; several hashers may share it */
  constructor(algorithm: VerityAlgorithm, hash: BlockHash = PLAIN[algorithm]) {
    if (hash.algorithm !== algorithm) assert.fail('blocks are hashed by another algorithm');
    this.#hash = hash;
    this.#digestBytes = ALGORITHMS[algorithm].digestBytes;
    this.#id = Buffer.alloc(this.#digestBytes);
  }

  /** Bytes added so far. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Adds the next bytes; the caller may reuse them afterwards. */
  update(bytes: Uint8Array): void {
    this.#sizeBytes += bytes.length;
    let at = 0;
    if (this.#stagedBytes > 0) {
      at = Math.min(VERITY_BLOCK_BYTES - this.#stagedBytes, bytes.length);
      this.#staging.set(bytes.subarray(0, at), this.#stagedBytes);
      this.#stagedBytes += at;
      if (this.#stagedBytes < VERITY_BLOCK_BYTES) return;
      this.#hashBlocks(this.#staging, 0, VERITY_BLOCK_BYTES);
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
   * Adds the next bytes as the digests that `hashBlocks` computed, possibly in another thread. All bytes added before must be
   * whole blocks; after a part whose `sizeBytes` is not whole blocks, no more may follow.
   */
  updateHashed(digests: Uint8Array, sizeBytes: number): void {
    const blocks = Math.ceil(sizeBytes / VERITY_BLOCK_BYTES);
    if (this.#sizeBytes % VERITY_BLOCK_BYTES !== 0) assert.fail('digests after a short block');
    if (digests.length !== blocks * this.#digestBytes) assert.fail('not one digest for each block');
    this.#sizeBytes += sizeBytes;
    for (let at = 0; at < digests.length; ) {
      const level = this.#levelWithRoom(0);
      const part = digests.subarray(at, at + VERITY_BLOCK_BYTES - level.usedBytes);
      level.block.set(part, level.usedBytes);
      level.usedBytes += part.length;
      level.count += part.length / this.#digestBytes;
      at += part.length;
    }
  }

  /** Returns the digest of all bytes added; the hasher is empty again and can be used for another file. */
  finish(): ObjectId {
    writeDescriptor(this.#descriptor, this.#hash.algorithm, this.#sizeBytes);
    this.#descriptor.set(this.#root(), DESCRIPTOR.rootHash);
    this.#hash.attach(this.#descriptor, this.#id);
    this.#hash.add(0, DESCRIPTOR.sizeBytes, 0);
    this.#hash.finish();
    for (const level of this.#levels) {
      level.usedBytes = 0;
      level.count = 0;
    }
    this.#stagedBytes = 0;
    this.#sizeBytes = 0;
    return this.#id.toString('hex') as ObjectId;
  }

  /** Hashes full data blocks until the first level has a full block or `end` is reached; returns where it stopped. */
  #hashBlocks(bytes: Uint8Array, start: number, end: number): number {
    const level = this.#levelWithRoom(0);
    const { length } = level.block;
    this.#hash.attach(bytes, level.block);
    let at = start;
    for (; at < end && level.usedBytes < length; at += VERITY_BLOCK_BYTES) {
      this.#hash.add(at, VERITY_BLOCK_BYTES, level.usedBytes);
      level.usedBytes += this.#digestBytes;
      level.count += 1;
    }
    this.#hash.finish();
    return at;
  }

  /** Returns a level with room for one more digest; a full block is first hashed into the level above. */
  #levelWithRoom(depth: number): Level {
    const level = this.#level(depth);
    if (level.usedBytes === VERITY_BLOCK_BYTES) this.#promote(depth);
    return level;
  }

  /** Hashes the block of a level, padded with zeros, into the level above and clears it. */
  #promote(depth: number): void {
    const level = this.#level(depth);
    const above = this.#levelWithRoom(depth + 1);
    level.block.fill(0, level.usedBytes);
    this.#hash.attach(level.block, above.block);
    this.#hash.add(0, VERITY_BLOCK_BYTES, above.usedBytes);
    this.#hash.finish();
    above.usedBytes += this.#digestBytes;
    above.count += 1;
    level.usedBytes = 0;
  }

  #level(depth: number): Level {
    let level = this.#levels[depth];
    if (level === undefined) {
      level = { block: new Uint8Array(VERITY_BLOCK_BYTES), usedBytes: 0, count: 0 };
      this.#levels.push(level);
    }
    return level;
  }

  /** The root digest: the only digest of the first level that received exactly one. */
  #root(): Uint8Array {
    if (this.#sizeBytes === 0) return new Uint8Array(this.#digestBytes);
    if (this.#stagedBytes > 0) {
      this.#staging.fill(0, this.#stagedBytes);
      this.#hashBlocks(this.#staging, 0, VERITY_BLOCK_BYTES);
    }
    for (let depth = 0; ; depth += 1) {
      const level = this.#level(depth);
      if (level.count === 1) return level.block.subarray(0, this.#digestBytes);
      if (level.usedBytes > 0) this.#promote(depth);
    }
  }
}

/**
 * Hashes the data blocks of a part of a file that begins at a block boundary, for `VerityHasher.updateHashed`: writes one digest for
 * each block of 4096 bytes into `into` and returns the bytes written. A short last block is zero-padded: it ends the file.
 */
export function hashBlocks(bytes: Uint8Array, hash: BlockHash, into: Uint8Array): number {
  const { digestBytes } = ALGORITHMS[hash.algorithm];
  const fullBytes = bytes.length - (bytes.length % VERITY_BLOCK_BYTES);
  let written = 0;
  hash.attach(bytes, into);
  for (let at = 0; at < fullBytes; at += VERITY_BLOCK_BYTES) {
    hash.add(at, VERITY_BLOCK_BYTES, written);
    written += digestBytes;
  }
  if (fullBytes < bytes.length) {
    const padded = new Uint8Array(VERITY_BLOCK_BYTES);
    padded.set(bytes.subarray(fullBytes));
    hash.attach(padded, into);
    hash.add(0, VERITY_BLOCK_BYTES, written);
    written += digestBytes;
  }
  hash.finish();
  return written;
}

const PLAIN = {
  sha256: new PlainBlockHash('sha256'),
  sha512: new PlainBlockHash('sha512'),
} as const;

/** The last hasher of each algorithm, reused by `computeVerity`, which always leaves it empty. */
const kept: Partial<Record<VerityAlgorithm, { hash: BlockHash; hasher: VerityHasher }>> = {};

/** The fs-verity digest of bytes in memory. Only the last, short block is copied. */
export function computeVerity(
  bytes: Uint8Array,
  algorithm: VerityAlgorithm,
  hash: BlockHash = PLAIN[algorithm],
): ObjectId {
  let last = kept[algorithm];
  if (last?.hash !== hash) {
    last = { hash, hasher: new VerityHasher(algorithm, hash) };
    kept[algorithm] = last;
  }
  last.hasher.update(bytes);
  return last.hasher.finish();
}
