import type { ObjectId } from '#base/digest';
import type { BlockHash } from './block-hash.ts';
import { writeDescriptor } from './descriptor.ts';
import { ALGORITHMS, DESCRIPTOR, VERITY_BLOCK_BYTES } from './layout.ts';

/** The Merkle tree of one file under construction. */
interface Tree {
  readonly sizeBytes: number;
  /** Number of digests in its current level, and their offset in the level's memory. */
  count: number;
  start: number;
}

/**
 * Computes the fs-verity digests of many files at once, level by level over all files, so that a hash which processes several messages
 * at a time always has enough. Memory grows with the largest batch: one block a file, and one more for each full tree block.
 */
export class VerityBatch {
  readonly #hash: BlockHash;
  readonly #digestBytes: number;
  /** Last blocks of files, padded with zeros. */
  #tails = new Uint8Array(0);
  #level = new Uint8Array(0);
  #nextLevel = new Uint8Array(0);
  #descriptors = Buffer.alloc(0);

  constructor(hash: BlockHash) {
    this.#hash = hash;
    this.#digestBytes = ALGORITHMS[hash.algorithm].digestBytes;
  }

  /** Returns the object ids of files. */
  idsOf(files: readonly Uint8Array[]): ObjectId[] {
    const digests = Buffer.alloc(files.length * this.#digestBytes);
    this.compute(files, digests);
    return files.map((_, index) => {
      const at = index * this.#digestBytes;
      return digests.toString('hex', at, at + this.#digestBytes) as ObjectId;
    });
  }

  /** Writes the digests of files into `into`, one after another. */
  compute(files: readonly Uint8Array[], into: Uint8Array): void {
    const trees = files.map(({ length }): Tree => {
      return { sizeBytes: length, count: Math.ceil(length / VERITY_BLOCK_BYTES), start: 0 };
    });
    this.#hashData(files, trees);
    while (this.#hashLevel(trees)) {
      [this.#level, this.#nextLevel] = [this.#nextLevel, this.#level];
    }
    this.#describe(trees, into);
  }

  #hashData(files: readonly Uint8Array[], trees: readonly Tree[]): void {
    this.#level = room(this.#level, this.#place(trees));
    this.#tails = room(this.#tails, files.length * VERITY_BLOCK_BYTES);
    for (const [index, tree] of trees.entries()) {
      const fullBlocks = Math.floor(tree.sizeBytes / VERITY_BLOCK_BYTES);
      if (fullBlocks === 0) continue;
      this.#hash.attach(files[index] as Uint8Array, this.#level);
      this.#addBlocks(0, fullBlocks, tree);
    }
    this.#hash.attach(this.#tails, this.#level);
    for (const [index, { sizeBytes, start, count }] of trees.entries()) {
      const tailBytes = sizeBytes % VERITY_BLOCK_BYTES;
      if (tailBytes === 0) continue;
      const at = index * VERITY_BLOCK_BYTES;
      this.#tails.set((files[index] as Uint8Array).subarray(sizeBytes - tailBytes), at);
      this.#tails.fill(0, at + tailBytes, at + VERITY_BLOCK_BYTES);
      this.#hash.add(at, VERITY_BLOCK_BYTES, start + (count - 1) * this.#digestBytes);
    }
    this.#hash.finish();
  }

  /** Adds `count` blocks from offset `at` of the source; their digests are the first of the tree's level. */
  #addBlocks(at: number, count: number, { start }: Tree): void {
    for (let block = 0; block < count; block += 1) {
      const into = start + block * this.#digestBytes;
      this.#hash.add(at + block * VERITY_BLOCK_BYTES, VERITY_BLOCK_BYTES, into);
    }
  }

  /** Hashes the level of every tree with more than one digest into the next level; false when no such tree is left. */
  #hashLevel(trees: readonly Tree[]): boolean {
    const below = trees.map(({ start, count }) => ({ start, count }));
    if (below.every(({ count }) => count <= 1)) return false;
    const levelBytes = below.map(({ count }) => count * this.#digestBytes);
    for (const tree of trees) {
      if (tree.count > 1) {
        tree.count = Math.ceil((tree.count * this.#digestBytes) / VERITY_BLOCK_BYTES);
      }
    }
    this.#nextLevel = room(this.#nextLevel, this.#place(trees));
    this.#hash.attach(this.#level, this.#nextLevel);
    for (const [index, tree] of trees.entries()) {
      const { start = 0, count = 0 } = below[index] ?? {};
      const bytes = levelBytes[index] ?? 0;
      if (count > 1) {
        this.#level.fill(0, start + bytes, start + tree.count * VERITY_BLOCK_BYTES);
        this.#addBlocks(start, tree.count, tree);
      } else this.#nextLevel.set(this.#level.subarray(start, start + bytes), tree.start);
    }
    this.#hash.finish();
    return true;
  }

  /** Assigns each tree its offset in a level, in whole blocks when another level follows; returns the total bytes. */
  #place(trees: readonly Tree[]): number {
    let bytes = 0;
    for (const tree of trees) {
      tree.start = bytes;
      const blocks = Math.ceil((tree.count * this.#digestBytes) / VERITY_BLOCK_BYTES);
      bytes += tree.count > 1 ? blocks * VERITY_BLOCK_BYTES : this.#digestBytes;
    }
    return bytes;
  }

  #describe(trees: readonly Tree[], into: Uint8Array): void {
    const { sizeBytes: length, rootHash } = DESCRIPTOR;
    this.#descriptors = Buffer.from(room(this.#descriptors, trees.length * length).buffer);
    this.#hash.attach(this.#descriptors, into);
    for (const [index, { start, sizeBytes }] of trees.entries()) {
      const descriptor = this.#descriptors.subarray(index * length, (index + 1) * length);
      writeDescriptor(descriptor, this.#hash.algorithm, sizeBytes);
      const root = this.#level.subarray(start, start + this.#digestBytes);
      if (sizeBytes > 0) descriptor.set(root, rootHash);
      else descriptor.fill(0, rootHash);
      this.#hash.add(index * length, length, index * this.#digestBytes);
    }
    this.#hash.finish();
  }
}

/** Returns the same memory when it is large enough, else new zeroed memory. */
function room(kept: Uint8Array<ArrayBuffer>, bytes: number): Uint8Array<ArrayBuffer> {
  return kept.length >= bytes ? kept : new Uint8Array(Math.max(bytes, 2 * kept.length));
}
