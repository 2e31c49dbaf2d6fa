/**
 * OCI images in a repository: their streams, opening and listing them, building their EROFS images, and tags.
 *
 *     tag ─▶ oci-manifest-… ─▶ oci-config-… ─┬▶ oci-layer-… (one for each layer)
 *                                            └▶ EROFS images (composefs.image…), which live as long as the config
 *     tag ─▶ oci-index-… ─▶ oci-manifest-… (one for each platform)
 */

export { parseXattrMode, type Reading, type XattrMode } from '#formats/tree';
export {
  type BuildOptions,
  type BuiltImage,
  buildImage,
  buildTree,
  computeImageId,
  dumpImage,
  encodeImages,
  type ImageIds,
  presentImages,
  readLayer,
  relinkImage,
  requireContainer,
} from './build.ts';
export { type ChosenFrom, noteChosenFrom, readChosenFrom } from './chosen-from.ts';
export {
  type DocumentStore,
  hashOnly,
  storeConfig,
  storeDocument,
  storeManifest,
} from './documents.ts';
export {
  findTag,
  type ImageRow,
  listOciImages,
  planRemoval,
  type RemovedImage,
  removeImage,
  tagImage,
  untagImage,
} from './manage.ts';
export {
  blobRefName,
  blobStreamName,
  bootSlot,
  configStreamName,
  describeSlot,
  imageSlot,
  indexStreamName,
  isImageSlot,
  layerStreamName,
  manifestStreamName,
} from './names.ts';
export {
  isStoredAsArtifact,
  type OciImage,
  openOciImage,
  presentImageId,
  resolveImageId,
  type StoredLayer,
} from './open.ts';
export { listMountSources, noteOrigin, type Origin } from './origins.ts';
export { linkSubject, listStoredReferrers } from './referrers.ts';
export { expandSparse, SPARSE_BYTES_MAX, type SparseStore } from './sparse.ts';
export {
  chooseImage,
  isIndexNested,
  type ManifestBelow,
  manifestsBelow,
  openStoredIndex,
  removeIndexTag,
  type StoredIndex,
  storeIndex,
} from './stored-index.ts';
export { computeStreamDigest } from './stream-digest.ts';
