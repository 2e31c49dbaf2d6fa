/**
 * containers-storage as others see it: where the store of a reference lies, and its images as a pull reads them.
 *
 *     reference, environment, storage.conf ─▶ places ─▶ store (stores/containers) ─▶ image ─▶ layers as tar-split and files
 */
export type { ContainersReference } from '#formats/oci';
export { locateStore } from './locate.ts';
export { type DeniedStore, findDeniedStore } from './namespace.ts';
export {
  ContainersSource,
  listStoredImages,
  openContainersSource,
  openStoredImage,
  type StoredImage,
} from './source.ts';
