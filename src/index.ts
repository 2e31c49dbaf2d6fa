/**
 * onecopy as a library: everything that the command line does, as functions over an open repository.
 *
 *     openOrCreate, openRepository ─▶ Repository ─▶ pullImage · listOciImages · openImageView · exportImage · mountImage
 *                                                   · checkRepository · collectGarbage
 *
 * Long operations take `{ signal, onProgress }` last; errors carry a permanent `code` (docs/errors.md); what is opened is
 * closed with `using`.
 */
export {
  type ByteString,
  byteStringFromText,
  byteStringOf,
  bytesOf,
  displayText,
} from '#base/bytes';
export {
  type ContentDigest,
  type DiffId,
  type ObjectId,
  parseContentDigest,
  parseDiffId,
  parseObjectId,
} from '#base/digest';
export * from '#base/errors';
export type {
  BlobContent,
  OperationOptions,
  ProgressEvent,
  ProgressListener,
  ProgressUnit,
} from '#base/flow';
export * from '#work/browse';
export * from '#work/check';
/** Images from directories and dumpfiles, without a repository. */
export * as compose from '#work/compose';
export * from '#work/doctor';
export * from '#work/export';
export * from '#work/image';
export { LAYER_BYTES_MAX, LAYER_RATIO_MAX } from '#work/ingest';
export * from '#work/mount';
export * from '#work/preview';
export {
  type LayerReport,
  type Platform,
  type PullOptions,
  type PullPlan,
  type PullReport,
  type PullSource,
  parsePlatform,
  planPull,
  pullImage,
  ZSTD_EXACT_VERSION,
  zstdParity,
} from '#work/pull-image';
export * from '#work/repository';
export {
  createLocalJudge,
  type ImageJudge,
  type TrustOptions,
  type TrustReport,
} from '#work/trust';
/** OSTree commits in the repository. */
export * as ostree from './ostree.ts';
