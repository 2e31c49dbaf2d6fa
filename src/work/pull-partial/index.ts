/**
 * Pulls a layer in parts: which content is available locally, what must be fetched, whether that is cheaper than the blob, and the tar that is
 * assembled from the parts.
 *
 *     openLayerParts: descriptor ─▶ planMetadata ─▶ TOC and tar-split ─▶ planLayer ─▶ assembleLayer ─▶ the exact tar
 *                         LocalIndex: files and chunks that are here ──────┘   │           ▲ local sources, ranges
 *                                                                               └─▶ or the whole blob, and why
 *     readLayerMetadata ─▶ TOC and tar-split alone;  fetchFiles ─▶ the contents of some files
 */
export {
  type AssembledBytes,
  type AssembledLayer,
  type AssembleOptions,
  assembleLayer,
  type LayerPart,
  type LocalMiss,
  type LocalReader,
  type PlacedObjects,
  tarOf,
} from './assemble.ts';
export type { Transfer, TransferCost } from './cost.ts';
export { type FetchedFile, type FetchFilesOptions, fetchFiles } from './fetch-files.ts';
export {
  type AssembleLayerOptions,
  type LayerParts,
  type LayerPartsOptions,
  type MetadataOptions,
  openLayerParts,
  type PlannedParts,
  planLayerParts,
  type ReadMetadata,
  readLayerMetadata,
  type WholeLayer,
} from './layer-parts.ts';
export type { LayerMetadata, MetadataStore } from './metadata.ts';
export {
  type ContentBytes,
  type MetadataPlan,
  type PartialPlan,
  type PlanTerms,
  type PullStrategy,
  planLayer,
  planMetadata,
  termsOf,
  type WholePlan,
} from './plan.ts';
export { ResumedBlob } from './resumed-blob.ts';
export type { FilePlan, FileSegment, LocalContent, LocalIndex } from './segments.ts';
