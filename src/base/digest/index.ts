/**
 * Digests: four brands of lower-case hex strings that cannot be mixed, their parsers, and incremental hashers.
 */
export {
  type ContentHasher,
  computeContentDigest,
  createContentHasher,
  createHasherLike,
} from './hashers.ts';
export {
  algorithmOf,
  CONTENT_ALGORITHMS,
  type ContentAlgorithm,
  type ContentDigest,
  type DiffId,
  hexOf,
  isContentDigest,
  type ObjectId,
  type OstreeChecksum,
  parseContentDigest,
  parseDiffId,
  parseObjectId,
  parseOstreeChecksum,
} from './names.ts';
