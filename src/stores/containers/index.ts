/**
 * containers-storage: the store of podman, buildah and skopeo. Reading creates nothing. Records are read under podman's locks; files are held
 * open instead of locked.
 *
 *     images.json ─▶ image ─▶ manifest, config
 *                      └─▶ layers.json ─▶ layer, layer, … ─▶ tar-split + diff/ = the tar, byte for byte
 */
export { digestsOf, type FoundImage } from './find-image.ts';
export {
  type LayerFile,
  LayerFiles,
  type LayerPart,
  openLayerFile,
  openLayerFiles,
} from './layer-files.ts';
export { diffFolder } from './layout.ts';
export { lockToWrite, type RecordsLock, type StoreLockOptions } from './locks.ts';
export type { StorageRoot } from './root.ts';
export { type ServeOptions, serveLayer } from './serve-layer.ts';
export {
  type DamagedRecord,
  type ImageRow,
  type LayerRow,
  readContainers,
  type StoreSnapshot,
} from './snapshot.ts';
export { ContainersStore, openContainersStore } from './store.ts';
export type { ImageToWrite } from './write/commit.ts';
export {
  LayerTree,
  type LayerTreeCounts,
  type LayerTreeOptions,
  noLayerTreeCounts,
  type ReflinkPolicy,
} from './write/layer-tree.ts';
export { removeNames, type StoreRemoval } from './write/remove.ts';
export {
  type LayerToWrite,
  openStoreWriter,
  type StagedLayer,
  StoreWriter,
} from './write/store-writer.ts';
