/**
 * Mounting images with the kernel: EROFS for the tree, overlayfs for the files' data in the objects.
 */
export { type FuseFileOptions, mountImageFileByFuse } from './fuse-file.ts';
export type { UpperLayer } from './layers.ts';
export { type MountOptions, type MountReport, mountImage } from './mount.ts';
export { type MountFileOptions, mountImageFile } from './mount-file.ts';
export { findMount, listMounts, type MountedImage, unmountImage } from './unmount.ts';
