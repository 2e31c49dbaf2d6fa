import { createHash, hash as hashOnce } from 'node:crypto';
import type { ContentAlgorithm, ContentDigest, DiffId } from './names.ts';
import { algorithmOf } from './names.ts';

/** An incremental hash over bytes that ends in a digest; `finish` may be called once. */
export interface ContentHasher {
  update(bytes: Uint8Array): void;
  finish(): ContentDigest;
}

/** Starts hashing bytes into an OCI digest. */
export function createContentHasher(algorithm: ContentAlgorithm = 'sha256'): ContentHasher {
  const state = createHash(algorithm);
  return {
    update: (bytes) => void state.update(bytes),
    finish: () => `${algorithm}:${state.digest('hex')}` as ContentDigest,
  };
}

/** A hasher of the same algorithm as `expected`. */
export function createHasherLike(expected: ContentDigest | DiffId): ContentHasher {
  return createContentHasher(algorithmOf(expected));
}

/** The OCI digest of bytes in memory. */
export function computeContentDigest(
  bytes: Uint8Array,
  algorithm: ContentAlgorithm = 'sha256',
): ContentDigest {
  return `${algorithm}:${hashOnce(algorithm, bytes, 'hex')}` as ContentDigest;
}
