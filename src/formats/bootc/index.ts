/**
 * Files of bootc: the state of unified storage, install configurations, origins of deployments, bound images.
 *
 *     composefs/bootc.json ─▶ mode            usr/lib/bootc/install/*.toml ─▶ [install.storage] unified
 *     NAME.origin ─▶ image reference          usr/lib/bootc/bound-images.d/* ─▶ image names
 */
export { parseBoundImage } from './bound-image.ts';
export { type InstallFile, readInstallMode, SOURCES_OF_INSTALL } from './install-config.ts';
export { type ImageOrigin, parseImageOrigin, parseOriginManifest } from './origin.ts';
export {
  encodeStateFile,
  parseStateFile,
  STATE_FILE_BYTES_MAX,
  STORAGE_MODES,
  type StorageMode,
} from './state-file.ts';
