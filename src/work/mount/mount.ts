import { ConflictError, hasCode, isOnecopyError, UnsupportedError } from '#base/errors';
import {
  attachMountOver,
  Dir,
  type HostFile,
  hasErrno,
  hasProcessCapability,
  isInitialUserNamespace,
} from '#host';
import type { Repository } from '#stores/composefs';
import { mountLayers, type UpperLayer } from './layers.ts';
import { sourceOf } from './source.ts';
import { mountedAt } from './unmount.ts';

/** How to mount an image. */
export interface MountOptions {
  /** Name shown in the mount table beside the image id. */
  readonly label?: string;
  readonly writable?: UpperLayer | undefined;
}

/** Report of a mount. */
export interface MountReport {
  readonly imageId: string;
  readonly target: string;
  /** True when the kernel verifies every file against its fs-verity digest. */
  readonly verity: boolean;
  readonly readOnly: boolean;
  /** The process that serves the files, if the kernel does not mount the image itself. */
  readonly serverPid?: number;
}

/**
 * Mounts an image of the repository over a directory: EROFS provides the tree, overlayfs reads the files' data from the objects. Needs
 * CAP_SYS_ADMIN. The image's digest is verified first; nothing is attached when a step fails.
 * @param image image id, or a name below `images/refs`
 * @throws NotFoundError IMAGE_NOT_FOUND; IntegrityError OBJECT_DIGEST_MISMATCH; UnsupportedError MOUNT_UNSUPPORTED
 */
export function mountImage(
  repository: Repository,
  image: string,
  target: string,
  options: MountOptions = {},
): MountReport {
  using directory = Dir.open(target);
  requireFree(directory, target);
  const { label, writable } = options;
  requireUpper(writable);
  const { imageId, verity, mount } = mountDetached(repository, image, { label, writable });
  using merged = mount;
  try {
    attachMountOver(merged, directory);
  } catch (error) {
    throw explainMount(error, image);
  }
  return { imageId, target, verity, readOnly: writable === undefined };
}

/** Options of a detached mount. */
export interface DetachedMountOptions {
  /** Name shown in the mount table beside the image id. */
  readonly label?: string | undefined;
  readonly writable?: UpperLayer | undefined;
  /** True shows the writable layer, but allows no writes (default: read-only without a writable layer). */
  readonly readOnly?: boolean | undefined;
}

/** A detached mount: a descriptor, which move_mount(2) attaches. The mount ends when the descriptor is closed. */
export interface DetachedMount {
  readonly mount: HostFile;
  readonly imageId: string;
  /** True when the kernel verifies every file against its fs-verity digest. */
  readonly verity: boolean;
}

/** Makes a detached mount of an image. Needs CAP_SYS_ADMIN. @throws as `mountImage` */
export function mountDetached(
  repository: Repository,
  image: string,
  { label, writable, readOnly = writable === undefined }: DetachedMountOptions = {},
): DetachedMount {
  using opened = repository.images.open(image);
  using objects = repository.root.openDir('objects');
  try {
    const mount = mountLayers(opened.object, {
      source: sourceOf(opened.id, label),
      objects: [objects],
      verity: opened.wantVerity ? 'require' : 'off',
      writable,
      readOnly,
    });
    return { mount, imageId: opened.id, verity: opened.wantVerity };
  } catch (error) {
    throw explainMount(error, image);
  }
}

/** True if this process may have the kernel mount an image: EROFS is limited to the initial user namespace. */
export function canMount(): boolean {
  return hasProcessCapability('sysAdmin') && isInitialUserNamespace();
}

/** Refuses a writable layer whose directories do not exist: overlayfs would name only its own option. @throws HostError SYSCALL_FAILED */
export function requireUpper(writable: UpperLayer | undefined): void {
  if (writable === undefined) return;
  for (const path of [writable.upper, writable.work]) {
    using _directory = Dir.open(path);
  }
}

/** Refuses a second mount, which would hide the first one until `umount`. @throws ConflictError MOUNT_EXISTS */
export function requireFree(directory: Dir, target: string): void {
  const mounted = mountedAt(directory, target);
  if (mounted === undefined) return;
  throw new ConflictError(
    'MOUNT_EXISTS',
    `Cannot mount over "${target}": "${mounted.image}" is mounted there`,
    { target, image: mounted.image },
    { hint: `Unmount it first: onecopy umount ${target}` },
  );
}

/** The error of a failed mount, with its reason and a hint. */
export function explainMount(error: unknown, image: string): unknown {
  if (!isOnecopyError(error) || !hasCode(error, 'SYSCALL_FAILED')) return error;
  const hint = hasErrno(error, 'EPERM')
    ? 'Mount without root with --fuse, or read the image with ls, cat, find and cp'
    : hasErrno(error, 'ENODEV')
      ? 'this kernel needs EROFS and overlayfs (modprobe erofs overlay)'
      : 'Run `onecopy doctor` to list what this host supports';
  return new UnsupportedError(
    'MOUNT_UNSUPPORTED',
    `Cannot mount image "${image}" on this host`,
    { image, errno: String(error.details['errno']) },
    { cause: error, hint },
  );
}
