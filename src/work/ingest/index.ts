/**
 * Turns the bytes of a layer into verified objects and a layer stream, on all cores: reads a blob, decompresses it, splits it and writes
 * objects. This room does not depend on images.
 *
 *     blob ─▶ digest ─▶ inflate ─▶ diff id ─▶ tar split ─┬─ batches ─▶ writer threads: fs-verity, objects
 *                       (a thread)                       └─ layer stream ─▶ splitstream, entries
 */
export type { ReflinkPolicy } from './batches/batch-layout.ts';
export { BatchPool } from './batches/batch-pool.ts';
export { BlobReader, readBlobRange } from './blob.ts';
export { importParts, type TarPart } from './import-parts.ts';
export { importTar, importTarLayer, type TarLayerOrder, type TarOrder } from './import-tar.ts';
export { type ImportContext, type ImportedLayer, importBlob, importLayer } from './layer.ts';
export { countFile, type EntryListener, type LayerCounts } from './layer-stream.ts';
export { readSplitLayer, tooLarge } from './read-split-layer.ts';
export {
  importSplitLayer,
  type SplitFile,
  type SplitLayer,
  type SplitLayerOrder,
  type SplitPart,
} from './split-layer.ts';
export { StreamLayer } from './stream-layer.ts';
export { LAYER_BYTES_MAX, LAYER_RATIO_MAX, requireLayerBytes } from './unpack/unpack.ts';
export { THREAD_BYTES_MIN, unpackBlob } from './unpack/unpack-blob.ts';
export { UnpackThread } from './unpack/unpack-thread.ts';
