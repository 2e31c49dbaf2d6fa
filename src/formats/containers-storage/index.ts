/**
 * The records of containers-storage, podman's store: file names, the contents of `layers.json` and `images.json`, last-writer stamps. Parses and
 * encodes bytes; `stores/containers` locates and reads the files.
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
  type ContainerRecord,
  type ImageRecord,
  type LayerRecord,
  type Parsed,
  parseContainerRecord,
  parseImageRecord,
  parseLayerRecord,
} from './record.ts';
export { makeStamp } from './stamp.ts';
