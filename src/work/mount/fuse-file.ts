import { UnsupportedError } from '#base/errors';
import { Dir, openFileAt } from '#host';

/** How to mount an image file by FUSE. */
export interface FuseFileOptions {
  /** Path of the image. */
  readonly image: string;
  /** Directory of the objects. */
  readonly objects: string;
  /** Access control lists are not shown. */
  readonly hidesAccessLists: boolean;
  readonly allowOther: boolean;
  /** Source in the mount table. */
  readonly sourceName: string;
  /** What the type in the mount table has behind `fuse.`. */
  readonly subtype: string;
  /** Serve in this process until unmounted, instead of in the background. */
  readonly foreground: boolean;
}

/**
 * Mounts an image file over a directory by FUSE. The mount point, the image and the directory of objects are opened and checked first.
 * @throws HostError SYSCALL_FAILED; UnsupportedError MOUNT_UNSUPPORTED, as there is no FUSE server in this version
 */
export async function mountImageFileByFuse(
  target: string,
  options: FuseFileOptions,
): Promise<void> {
  using _target = Dir.open(target);
  using _image = openFileAt(options.image);
  using _objects = Dir.open(options.objects);
  throw new UnsupportedError(
    'MOUNT_UNSUPPORTED',
    `Cannot mount "${options.image}" by FUSE: this version has no FUSE server`,
    { image: options.image, errno: 'ENOSYS' },
    { hint: 'As root, mount it by the kernel: mount.composefs -o basedir=DIR IMAGE MOUNTPOINT' },
  );
}
