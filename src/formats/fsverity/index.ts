/**
 * fs-verity: the digest that names every object. Bytes are split into blocks of 4096 (the last padded with zeros), the
 * digests of the blocks are packed into blocks again until one is left, and that root is hashed together with the
 * size in a descriptor of 256 bytes. No salt, no signature.
 *
 *     data      [4096][4096][4096][ 17 |0…]
 *     level 0   [ h0 h1 h2 h3 |0…]
 *     root      H(level 0)          id = H(descriptor: version, algorithm, 12, size, root)
 */
export {
  type AlgorithmIdReason,
  algorithmOfKernelId,
  formatAlgorithmId,
  parseAlgorithmId,
} from './algorithm-id.ts';
export { VerityBatch } from './batch.ts';
export { type BlockHash, PlainBlockHash } from './block-hash.ts';
export { computeVerity, hashBlocks, VerityHasher } from './hasher.ts';
export {
  ALGORITHMS,
  VERITY_BLOCK_BITS,
  VERITY_BLOCK_BYTES,
  type VerityAlgorithm,
  type VerityAlgorithmEntry,
} from './layout.ts';
export {
  algorithmOfObject,
  objectIdBytes,
  objectIdOf,
  objectPath,
  parseObjectPath,
} from './object-path.ts';
