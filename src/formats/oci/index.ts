/**
 * OCI images: references, media types, manifests, indexes, configs, the choice of a platform, and the stacking of layers
 * into one tree. Docker's schema 2 documents are read and stored unchanged, so their digests stay valid.
 *
 *     reference -> index -> manifest -> config (diff ids) -> layers -> LayerStack -> tree
 */
export { type HistoryEntry, type ImageConfig, parseImageConfig } from './config.ts';
export type { Descriptor } from './descriptor.ts';
export {
  type BlobFacts,
  type DockerArchiveImage,
  encodeManifest,
  parseDockerArchive,
} from './docker-archive.ts';
export { type ImageDelta, isImageDelta, parseImageDelta, TAR_DIFF_TYPE } from './image-delta.ts';
export {
  addToLayoutIndex,
  LAYOUT_MARKER,
  type LayoutEntry,
  verifyLayoutMarker,
} from './image-layout.ts';
export {
  formatImageName,
  type ImageName,
  isRegistryHost,
  isRepositoryPath,
  isShortName,
  parseImageName,
  referrersTag,
} from './image-name.ts';
export { requireDocumentSize } from './json.ts';
export {
  CONFIG_MAX_BYTES,
  CONTAINERD_NAME_ANNOTATION,
  INDEX_DEPTH_MAX,
  MANIFEST_MAX_BYTES,
  MEDIA_TYPES,
  REF_NAME_ANNOTATION,
} from './layout.ts';
export {
  hasOtherLayers,
  type ImageIndex,
  isArtifact,
  type Manifest,
  parseManifest,
} from './manifest.ts';
export {
  COMPRESSION_PROBE_BYTES,
  type CompressedSubject,
  type Compression,
  detectCompression,
  isImageConfigType,
  isIndexType,
  isManifestType,
  type LayerType,
  ociLayerType,
  parseLayerType,
} from './media-type.ts';
export {
  formatPlatform,
  hostPlatform,
  isUnknownPlatform,
  type Platform,
  parsePlatform,
  rankPlatform,
} from './platform.ts';
export {
  type ComposefsReference,
  type ContainersReference,
  formatReference,
  type ImageReference,
  type LocalReference,
  type OstreeReference,
  parseReference,
  type RegistryReference,
  type StoredReference,
} from './reference.ts';
export {
  type DocumentRequest,
  imageOf,
  isAttestation,
  type ResolvedImage,
  type ResolveOptions,
  resolveImage,
} from './resolve.ts';
export { ENTRIES_MAX, EntryBudget, entryWeight } from './stack/entry-budget.ts';
export { dumpLayerEntry } from './stack/layer-dump.ts';
export { leafOfEntry } from './stack/layer-leaf.ts';
export {
  type FinishOptions,
  type LayerDifference,
  type LayerDifferences,
  LayerStack,
  type StackOptions,
} from './stack/layers.ts';
