/**
 * Mounting images with the kernel: EROFS for the tree, overlayfs for the files' data in the objects.
 */
export { type MountOptions, type MountReport, mountImage, type UpperLayer } from './mount.ts';
export { findMount, listMounts, type MountedImage, unmountImage } from './unmount.ts';
