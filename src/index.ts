/**
 * onecopy as a library: everything that the command line does with images, as functions over an open repository.
 *
 *     openOrCreate, openRepository ─▶ Repository ─▶ planPull · pullImage · listOciImages · openImageView · exportImage · mountImage
 *                                                   · checkEverything · collectGarbage
 *
 * Long operations take `{ signal, onProgress }` last; errors carry a permanent `code` (docs/errors.md); what is opened is
 * closed with `using`. OSTree commits are in `onecopy/ostree`, image files without a repository in `onecopy/compose`, single formats in
 * `onecopy/erofs`, `onecopy/fsverity`, `onecopy/splitstream` and `onecopy/tar`.
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
  parseObjectId,
} from '#base/digest';
export {
  type DetailsOf,
  ERROR_CODES,
  type ErrorCode,
  type ErrorDocument,
  type ErrorKind,
  hasCode,
  isOnecopyError,
  type JsonValue,
  type OnecopyError,
  renderErrorDocument,
  renderErrorText,
} from '#base/errors';
export type {
  OperationOptions,
  ProgressEvent,
  ProgressListener,
  ProgressUnit,
  Traffic,
} from '#base/flow';
export type { VerityAlgorithm } from '#formats/fsverity';
export type { AttachedSignature, SatisfiedRequirement } from '#formats/image-trust';
export {
  type ComposefsReference,
  type Compression,
  type ContainersReference,
  type Descriptor,
  type HistoryEntry,
  type ImageConfig,
  type ImageName,
  type ImageReference,
  type LayerDifference,
  type LayerDifferences,
  type LocalReference,
  type Manifest,
  type OstreeReference,
  type Platform,
  parsePlatform,
  parseReference,
  type RegistryReference,
  type StoredReference,
} from '#formats/oci';
export { type ZstdParity, zstdParity } from '#formats/splitstream';
export type { Reading, ReadingDifference } from '#formats/tree';
export { setWorkerFolder } from '#host';
export type { GarbageLink, GarbageObject } from '#stores/composefs';
export {
  type Difference,
  diffViews,
  type FileChange,
  type FileKind,
  type FindQuery,
  findFiles,
  type ImageView,
  type LookupOptions,
  openImageView,
  type ViewEntry,
  type WalkedViewEntry,
} from '#work/browse';
export { mountImage } from '#work/catalog';
export {
  applyGc,
  type CheckOptions,
  type CheckReport,
  checkEverything,
  collectGarbage,
  type Finding,
  type ForceOption,
  type FsckReport,
  type GcApplyOptions,
  type GcOptions,
  type GcPlan,
  type GcResult,
  type MountEffects,
  type ObjectUse,
  type OciFinding,
  planGc,
  type RemovedObject,
  type RepairOptions,
  type RepairReport,
  type ReportedFinding,
  repairRepository,
} from '#work/check';
export { type Examination, type Examined, examineHost } from '#work/doctor';
export {
  type CheckoutCounts,
  type DirectoryOptions,
  type DirectoryReport,
  type ExportedLayer,
  type ExportOptions,
  type ExportReport,
  exportDirectory,
  exportImage,
  exportPath,
  type LayerMethod,
  type LeftOut,
  type Packing,
} from '#work/export';
export {
  type ImageRow,
  listOciImages,
  type OciImage,
  openOciImage,
  planRemoval,
  type RemovedImage,
  removeImage,
  type StoredLayer,
  tagImage,
  untagImage,
} from '#work/image';
export {
  listMounts,
  type MountedImage,
  type MountOptions,
  type MountReport,
  type UpperLayer,
  unmountImage,
} from '#work/mount';
export {
  type BroughtContents,
  type ImagePreview,
  type PreviewOptions,
  previewImage,
  type ScratchContent,
} from '#work/preview';
export {
  type LayerCost,
  type LayerPlan,
  type LayerReport,
  type LayerRoute,
  type OpenSourceOptions,
  type PlanPullOptions,
  type PullOptions,
  type PullPlan,
  type PullReport,
  type PullStrategy,
  planPull,
  pullImage,
  type ReusedBytes,
} from '#work/pull-image';
export type { CredentialOptions, RegistryOptions } from '#work/registries';
export type { RegistryImageOptions } from '#work/registry-image';
export {
  type CreateOptions,
  createRepository,
  type ErofsFormats,
  type ErofsVersion,
  locateRepository,
  type OpenOptions,
  openOrCreate,
  openRepository,
  type Repository,
  type RepositoryChoice,
  type WritableRepository,
} from '#work/repository';
export {
  createLocalJudge,
  type ImageJudge,
  type JudgeOptions,
  type TrustOptions,
  type TrustReport,
} from '#work/trust';
export {
  connectVarlink,
  type PassedDescriptor,
  startVarlink,
  type VarlinkCallOptions,
  VarlinkClient,
  type VarlinkInput,
  type VarlinkMethodName,
  type VarlinkMethods,
  type VarlinkOutput,
  type VarlinkReply,
} from '#work/varlink-client';
