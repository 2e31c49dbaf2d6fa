/**
 * Mounts images: by the kernel, where EROFS provides the tree and overlayfs reads the files' data from the objects, or by a FUSE server, which
 * does not need root.
 *
 *     mountImage ─▶ kernel            mountByFuse ─▶ fuse-server (a process) ─▶ fuse-worker (threads) ◀─▶ /dev/fuse
 */
export { type FuseFileOptions, mountImageFileByFuse } from './fuse/fuse-file.ts';
export { type FuseMountOptions, mountByFuse, serveByFuse } from './fuse/mount-fuse.ts';
export type { FuseSession } from './fuse/session.ts';
export type { UpperLayer } from './layers.ts';
export {
  canMount,
  type DetachedMount,
  type DetachedMountOptions,
  type MountOptions,
  type MountReport,
  mountDetached,
  mountImage,
} from './mount.ts';
export { type MountFileOptions, mountImageFile } from './mount-file.ts';
export { findMount, listMounts, type MountedImage, unmountImage } from './unmount.ts';
