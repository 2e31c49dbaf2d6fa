/** Names, sizes and numbers of one fs-verity hash algorithm. */
export interface VerityAlgorithmEntry {
  /** Bytes in one digest. */
  readonly digestBytes: number;
  /** Number of the algorithm in the kernel interface and in the descriptor. */
  readonly kernelId: number;
  /** Digests in one Merkle tree block. */
  readonly arity: number;
  /** Text id that `meta.json` holds. */
  readonly id: string;
}

/**
 * The two algorithms a composefs repository may use.
 * Source: Linux uapi fsverity.h, FS_VERITY_HASH_ALG_SHA256 and _SHA512; composefs-rs 0.9 algorithm ids.
 */
export const ALGORITHMS = {
  sha256: { digestBytes: 32, kernelId: 1, arity: 128, id: 'fsverity-sha256-12' },
  sha512: { digestBytes: 64, kernelId: 2, arity: 64, id: 'fsverity-sha512-12' },
} as const satisfies Record<string, VerityAlgorithmEntry>;

/** Name of a verity hash algorithm, as node:crypto spells it. */
export type VerityAlgorithm = keyof typeof ALGORITHMS;

/** Merkle tree and data block size, in bytes. Source: composefs-rs 0.9, the only accepted size. */
export const VERITY_BLOCK_BYTES = 4096;

/** log2 of the block size, as text ids, descriptors and splitstream headers store it. */
export const VERITY_BLOCK_BITS = 12;

/**
 * Offsets in the fs-verity descriptor; every byte not named here is zero (no salt, no signature).
 * Source: Linux Documentation/filesystems/fsverity.rst, struct fsverity_descriptor.
 */
export const DESCRIPTOR = {
  version: 0,
  hashAlgorithm: 1,
  blockBits: 2,
  dataSize: 8,
  rootHash: 16,
  sizeBytes: 256,
} as const;
