/**
 * Layers with a table of contents: zstd:chunked and eStargz. Their annotations, footers and TOCs, and the
 * tar-split that makes a zstd:chunked layer verifiable. An unusable TOC is a value (`TocUnusable`: pull the whole
 * blob); an untruthful TOC is an error.
 *
 *     zstd frame* (headers | content pieces)   skippable frame: TOC   skippable frame: tar-split   skippable frame: footer
 *     descriptor ─▶ locateToc ─▶ readToc ─▶ readChunkedLayer ─▶ files with their ranges, in the order of the tar
 */
export { locateToc, type MetadataPosition, type TocLocation } from './annotations.ts';
export { inflateStargzChunk, readStargzToc } from './estargz.ts';
export {
  type ChunkedFooter,
  encodeChunkedFooter,
  encodeSkippableFrame,
  FOOTER_TAIL_BYTES,
  parseChunkedFooter,
  parseStargzFooter,
} from './footer.ts';
export { decodeChunk, inflateChunk } from './inflate.ts';
export { type BlobInspection, inspectChunkedBlob, type TocFault } from './inspect.ts';
export { type ChunkedFile, type ChunkedLayer, tocTypeOf } from './layer.ts';
export {
  CHUNKED_ANNOTATION,
  METADATA_BYTES_MAX,
  TAR_SPLIT_BYTES_MAX,
  TOC_BYTES_MAX,
  TOC_ENTRIES_MAX,
  TOC_TYPE,
  TOC_VERSION,
} from './layout.ts';
export { MemberPaths } from './member-paths.ts';
export { type ChunkedLocation, readChunkedLayer, readToc, tarSplitRecords } from './read.ts';
export { formatTocTime, parseTocTime } from './time.ts';
export type { Toc, TocChunk, TocEntry, TocType } from './toc.ts';
export type { TocReason, TocUnusable } from './verdict.ts';
