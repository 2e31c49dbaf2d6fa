/**
 * OSTree formats: objects (commit, dirtree, dirmeta, file), their archive form, refs.
 *
 *     ref file ── checksum ──> commit ──> dirtree ──> dirtree … ──> file
 *                                  └────> dirmeta <────┘
 *
 * Bytes and values only; repositories on disk are in stores/ostree, over HTTP in remotes/ostree.
 */

export {
  DELTA_PART_MAX_BYTES,
  DELTA_PART_UNPACKED_MAX_BYTES,
  type Delta,
  type DeltaFallback,
  type DeltaObject,
  type DeltaPartBytes,
  type DeltaPartInfo,
  inlineCommitmetaOf,
  inlinePartOf,
  parseDelta,
  type Superblock,
  splitPartFile,
  verifyDeltaName,
} from './delta/delta.ts';
export { applyDeltaPart, type DeltaFileSink, type DeltaTarget } from './delta/delta-apply.ts';
export {
  type DeltaName,
  deltaFolder,
  deltaIndexPath,
  deltaPartPath,
  formatDeltaName,
  parseDeltaName,
  superblockPath,
} from './delta/delta-names.ts';
export { type DeltaMode, type DeltaPart, parseDeltaPart } from './delta/delta-part.ts';
export {
  describeCommit,
  describeDelta,
  describeDirmeta,
  describeDirtree,
  describeFilez,
  describeSummary,
  describeSummaryIndex,
  formatMetadataValue,
  jsonOfMetadata,
  jsonOfVariant,
} from './describe.ts';
export {
  encodeKeyFile,
  escapeKeyValue,
  KEY_FILE_MAX_BYTES,
  type KeyFile,
  keyBoolean,
  keyList,
  keyString,
  parseKeyFile,
} from './key-file.ts';
export {
  CHECKSUM_BYTES,
  DIRTREE_ENTRIES_MAX,
  FILE_MAX_BYTES,
  HEADER_PREFIX_BYTES,
  METADATA_MAX_BYTES,
  NAME_MAX_BYTES,
  PERMISSION_BITS,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  TREE_DEPTH_MAX,
} from './layout.ts';
export {
  type BindingExpectation,
  COLLECTION_BINDING_KEY,
  collectionBindingOf,
  REF_BINDING_KEY,
  refBindingOf,
  verifyBindings,
  verifyNotOlder,
} from './objects/bindings.ts';
export {
  type Commit,
  computeContentChecksum,
  encodeCommit,
  parseCommit,
} from './objects/commit.ts';
export {
  type CommitObjects,
  type CommitTreeOptions,
  TREE_ENTRIES_MAX,
  treeOfCommit,
  treeOfCommitInSteps,
} from './objects/commit-tree.ts';
export { type MetadataLookup, type ReachedObject, walkCommit } from './objects/commit-walk.ts';
export {
  encodeMetadataDict,
  encodeTombstone,
  type ObjectSize,
  objectSizesOf,
  parseMetadataDict,
  parseTombstone,
} from './objects/detached.ts';
export {
  type Dirmeta,
  encodeDirmeta,
  encodeFileXattrs,
  encodeOstreemeta,
  parseDirmeta,
  parseFileXattrs,
  parseOstreemeta,
} from './objects/dirmeta.ts';
export {
  type Dirtree,
  type DirtreeDirectory,
  type DirtreeFile,
  encodeDirtree,
  parseDirtree,
  requireEntryName,
} from './objects/dirtree.ts';
export {
  computeFileChecksum,
  computeFramedChecksum,
  encodeFileHeader,
  encodeZlibHeader,
  FileHasher,
  type FileHeader,
  frameHeader,
  parseHeaderPrefix,
  parseZlibHeader,
  type SizedFileHeader,
} from './objects/file.ts';
export {
  encodeFilez,
  FILEZ_WARNINGS,
  type Filez,
  type FilezWarning,
  inflateContent,
  inflateSource,
  isPrefixClear,
  listFilezWarnings,
  parseFilez,
  requireNoLinkPayload,
  type WholeInflater,
} from './objects/filez.ts';
export {
  isLinkMode,
  isRegularMode,
  requireDirectoryMode,
  requireFileMode,
} from './objects/mode.ts';
export {
  checksumBytes,
  checksumOf,
  computeMetadataChecksum,
  type DeltaObjectKind,
  isUtf8,
  type MetadataKind,
  OBJECT_KINDS,
  type ObjectKind,
  objectKindOf,
  ostreeObjectPath,
  requireChecksum,
  verifyMetadata,
} from './objects/objects.ts';
export {
  isSorted,
  type OstreeXattr,
  refusedOnDisk,
  sortXattrs,
  type XattrRules,
  xattrsOnDisk,
} from './objects/xattrs.ts';
export {
  decodeStreamRef,
  encodeRefFile,
  encodeStreamRef,
  isRefName,
  parseRefFile,
  REF_FILE_MAX_BYTES,
  requireRefName,
} from './refs.ts';
export {
  createEd25519Verifier,
  createSpkiVerifier,
  type KeySet,
  parseEd25519Keys,
  parseSpkiKeys,
  SIGNATURE_KEYS,
  SIGNATURES_MAX,
  type SignatureScheme,
  type SignatureVerifier,
  signaturesOf,
  signEd25519,
  verifySignatures,
  withSignature,
} from './signatures.ts';
export {
  CommitStreamBuilder,
  type CommitStreamContent,
  type CommitStreamOptions,
  encodeCommitStream,
  inlineMaxBytes,
} from './stream/commit-stream.ts';
export {
  type CheckStreamOptions,
  checkCommitStream,
  checkCommitStreamInSteps,
  STREAM_FINDINGS,
  type StreamFinding,
  type StreamFindingCode,
} from './stream/commit-stream-check.ts';
export { IMAGE_REF } from './stream/commit-stream-layout.ts';
export {
  CommitStream,
  readCommitStream,
  readCommitStreamInSteps,
  readInline,
  type StreamFile,
  type StreamObject,
} from './stream/commit-stream-reader.ts';
export {
  describeCommitStream,
  type StreamDocument,
  type StreamObjectDocument,
  streamFromJson,
} from './stream/stream-json.ts';
export {
  commitStreamName,
  parseCommitStreamName,
  parsePartialStreamName,
  partialStreamName,
  summaryStreamName,
} from './stream/stream-names.ts';
export {
  collectionMapOf,
  deltaSumsOf,
  encodeSummary,
  encodeSummaryIndex,
  findSummaryRef,
  parseSummary,
  parseSummaryIndex,
  refTimestampOf,
  SUMMARY_MAX_BYTES,
  type Summary,
  type SummaryFacts,
  type SummaryIndex,
  type SummaryRef,
  type SummarySubset,
  subsummaryPath,
  summaryFactsOf,
  verifyNotExpired,
} from './summary.ts';
export { type CachedSummary, encodeSummaryCache, parseSummaryCache } from './summary-cache.ts';
