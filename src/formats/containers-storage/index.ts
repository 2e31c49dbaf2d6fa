/**
 * The records of containers-storage, podman's store: which names files have, what `layers.json` and `images.json` say, last-writer
 * stamps. Bytes to values and back; where the files lie is the business of `stores/containers`.
 *
 *     images.json ── layer ─▶ layers.json ── parent ─▶ … ─▶ base
 *                 └─ big data names ─▶ manifest, config
 */
export {
  COMPRESSION_CODE,
  LAYER_DEPTH_MAX,
  LINK_NAME,
  RECORDS_BYTES_MAX,
  STAMP,
} from './layout.ts';
export { bigDataFileName, computeLayerId, isStorageId, type LayerIdentity } from './names.ts';
export { joinRecords, type RawRecord, type RawRecords, splitRecords } from './raw-records.ts';
export {
  type ImageRecord,
  type LayerRecord,
  type Parsed,
  parseImageRecord,
  parseLayerRecord,
} from './record.ts';
export { makeStamp } from './stamp.ts';
