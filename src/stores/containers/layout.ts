/**
 * Names in a graph root. Source: containers/storage 1.65, store.go, layers.go, images.go and drivers/overlay.
 *
 *     <graph root>/overlay/<layer id>/diff        files of a layer; composefs: objects, their names in composefs-data/composefs.blob
 *     <graph root>/overlay-layers/layers.json     records, with layers.lock and <layer id>.tar-split.gz
 *     <graph root>/overlay-images/images.json     records, with images.lock and <image id>/<big data>
 *     <graph root>/overlay-containers/containers.json   records, with containers.lock; only read
 */
export const RECORDS = {
  layers: { folder: 'layers', file: 'layers.json', lock: 'layers.lock' },
  images: { folder: 'images', file: 'images.json', lock: 'images.lock' },
  containers: { folder: 'containers', file: 'containers.json', lock: 'containers.lock' },
} as const;
/** Records of a kind. */
export type RecordKind = keyof typeof RECORDS;

/** Records of layers that need not survive a reboot; only containers have such layers. */
export const VOLATILE_LAYERS_FILE = 'volatile-layers.json';
/** Records of such containers. */
export const VOLATILE_CONTAINERS_FILE = 'volatile-containers.json';

/** Drivers that are read; `overlay` is also written. */
export const DRIVERS = ['overlay', 'vfs'] as const;
/** The driver of a store. */
export type Driver = (typeof DRIVERS)[number];

/** Directory of the files of a layer, below the graph root, by driver. */
export function diffFolder(driver: Driver, layerId: string): string {
  return driver === 'overlay' ? `overlay/${layerId}/diff` : `vfs/dir/${layerId}`;
}

/** Names of the files of a composefs layer. */
export function composefsBlob(layerId: string): string {
  return `overlay/${layerId}/composefs-data/composefs.blob`;
}

/** Maximum size of the composefs image of a layer, in bytes. Our limit. */
export const COMPOSEFS_BLOB_BYTES_MAX = 512 * 2 ** 20;

/** Maximum inflated size of a tar-split, in bytes. A layer with a million files has some 2 GiB. Our limit. */
export const TAR_SPLIT_BYTES_MAX = 8 * 2 ** 30;

/** Big data key of a layer's files by digest; its presence shows that they are composefs objects. */
export const COMPOSEFS_KEY = 'zstd-chunked-layer-data';

/** Timeout of a lock, in milliseconds: podman holds a lock while it exports a layer. */
export const LOCK_TIMEOUT_MS = 300_000;
