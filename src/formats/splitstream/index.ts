/**
 * Splitstream: an object that rebuilds a byte stream from inline bytes and references to other objects.
 *
 *     header 32 | info 80 | stream refs | object refs | named refs (zstd) | body (zstd)
 *     body: −n, n inline bytes; or ≥ 0, an index into the object refs; and so on
 *
 * Its id depends on the exact bytes of the zstd frames; `zstdParity` reports whether this Node produces the bytes of composefs-rs.
 */
export { catSplitstream, type ObjectSource } from './cat.ts';
export { CONTENT_TYPES } from './layout.ts';
export {
  type OpenSplitstreamOptions,
  openSplitstream,
  openSplitstreamTables,
  readStreamSize,
  type Splitstream,
  type SplitstreamPart,
  type SplitstreamTables,
} from './reader.ts';
export { type SplitstreamRecord, SplitstreamRecords } from './records.ts';
export { SplitstreamWriter, type SplitstreamWriterOptions } from './writer.ts';
export { ZSTD_EXACT_VERSION, type ZstdParity, zstdParity } from './zstd-parity.ts';
