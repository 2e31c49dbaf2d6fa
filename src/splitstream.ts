/** Splitstreams: streams of inline bytes and references to objects. */
export {
  CONTENT_TYPES,
  catSplitstream,
  type ObjectSource,
  type OpenSplitstreamOptions,
  openSplitstream,
  type Splitstream,
  type SplitstreamPart,
  type SplitstreamRecord,
  SplitstreamRecords,
  SplitstreamWriter,
  type SplitstreamWriterOptions,
  ZSTD_EXACT_VERSION,
  type ZstdParity,
  zstdParity,
} from '#formats/splitstream';
