/**
 * The composefs repository: a directory that stores every file once, named by its fs-verity digest, with streams, images and named
 * references.
 *
 *     <repo>/meta.json                algorithm, features, EROFS formats
 *     <repo>/objects/ab/cdef…         immutable files, images and splitstreams alike
 *     <repo>/streams/<name>           -> ../objects/ab/cdef…
 *     <repo>/streams/refs/<ref>       -> ../<name>, a root of garbage collection
 *     <repo>/images/<id>              -> ../objects/ab/cdef…
 *     <repo>/images/refs/<ref>        -> ../<id>, a root of garbage collection
 *     <repo>/.onecopy/                ours: what may be lost at any time
 *
 * The directory is locked shared (flock) while it is open, exclusively while garbage is collected.
 */

export { FINDING_KINDS, type Finding, type FindingKind } from './check/findings.ts';
export { checkRepository, type FsckOptions, type FsckReport } from './check/fsck.ts';
export {
  findSound,
  isIntact,
  isSound,
  isStreamWhole,
  requireStreams,
  settleObjects,
} from './check/stream-check.ts';
export { kindOf } from './garbage/examine.ts';
export {
  applyGc,
  collectGarbage,
  type GarbageLink,
  type GarbageObject,
  type GcApplyOptions,
  type GcOptions,
  type GcPlan,
  type GcResult,
  planGc,
} from './garbage/gc.ts';
export { KeptFiles, type KeptLimits } from './kept/kept-files.ts';
export { FAN_OUT, IMAGE_BYTES_MAX } from './layout.ts';
export type { ExportNotes } from './marks/exports.ts';
export { type Suspect, SuspectStore, type Suspects } from './marks/suspects.ts';
export {
  type ImageEntry,
  ImageStore,
  type OpenImage,
  type PublishImageOptions,
} from './names/images.ts';
export type { RefCategory } from './names/links.ts';
export { checkTagName, decodeTag, encodeTag } from './names/names.ts';
export { type NamedRef, RefStore } from './names/refs.ts';
export {
  type OpenStream,
  type OpenStreamOptions,
  type PublishStreamOptions,
  type StreamAddress,
  type StreamDocument,
  type StreamEntry,
  StreamStore,
} from './names/streams.ts';
export {
  INDEX_STREAM_PREFIX,
  type IndexTag,
  MANIFEST_STREAM_PREFIX,
  type Tag,
  TagStore,
} from './names/tags.ts';
export type { Imported, ImportMethod, ImportMode } from './objects/import.ts';
export type { BatchedObject, ObjectBatch } from './objects/object-batch.ts';
export { ObjectReader, type ObjectReaderSeed, openObjectReader } from './objects/object-reader.ts';
export { ObjectNameDecoder, ObjectSet } from './objects/object-set.ts';
export {
  type Distrusted,
  ObjectWriter,
  type ObjectWriterSeed,
  openObjectWriter,
  type Published,
  type PublishMethod,
  type StagedObject,
  type WriterCounts,
} from './objects/object-writer.ts';
export {
  ObjectStore,
  OpenObject,
  type OpenObjectOptions,
  type VerifyMode,
} from './objects/objects.ts';
export { HeldNote, NoteStore } from './partial/notes.ts';
export { PartialBlob, PartialStore } from './partial/partials.ts';
export { RangeLog } from './partial/range-log.ts';
export type { StoreContext, VerityPolicy } from './repository/context.ts';
export type { LockOptions } from './repository/lock.ts';
export type {
  ErofsFormats,
  ErofsVersion,
  RepositoryFeatures,
  RepositoryMeta,
} from './repository/meta.ts';
export {
  type EnsureResult,
  ensureRepository,
  type InitResult,
  initRepository,
  type OpenOptions,
  openRepository,
  type RepositoryConfig,
  readRepositoryAlgorithm,
  resetMetadata,
  SYSTEM_REPOSITORY,
  userRepository,
} from './repository/open.ts';
export { type Leased, Repository } from './repository/repository.ts';
