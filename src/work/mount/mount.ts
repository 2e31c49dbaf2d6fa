import { type ByteString, byteStringFromText } from '#base/bytes';
import { ConflictError, hasCode, isOnecopyError, UnsupportedError } from '#base/errors';
import {
  attachMount,
  attachMountOver,
  Dir,
  type HostFile,
  hasErrno,
  MountContext,
  openLoopDevice,
  unmount,
} from '#host';
import type { Repository } from '#stores/composefs';
import { sourceOf } from './source.ts';
import { mountedAt } from './unmount.ts';

/** A writable layer above the image: both directories on one filesystem, `work` empty. */
export interface UpperLayer {
  readonly upper: string;
  readonly work: string;
}

/** How to mount an image. */
export interface MountOptions {
  /** Name shown in the mount table beside the image id. */
  readonly label?: string;
  readonly writable?: UpperLayer | undefined;
}

/** What was mounted. */
export interface MountReport {
  readonly imageId: string;
  readonly target: string;
  /** True when the kernel checks every file against its fs-verity digest. */
  readonly verity: boolean;
  readonly readOnly: boolean;
}

/**
 * Mounts an image of the repository over a directory: EROFS gives the tree, overlayfs takes the files' data from the
 * objects. Needs CAP_SYS_ADMIN. The image's digest is verified first; nothing is attached when a step fails.
 * @param image image id, or a name below `images/refs`
 * @throws NotFoundError IMAGE_NOT_FOUND; IntegrityError OBJECT_DIGEST_MISMATCH; UnsupportedError MOUNT_UNSUPPORTED
 */
export function mountImage(
  repository: Repository,
  image: string,
  target: string,
  options: MountOptions = {},
): MountReport {
  using opened = repository.images.open(image);
  using directory = Dir.open(target);
  requireFree(directory, target);
  using objects = repository.root.openDir('objects');
  try {
    using tree = mountErofs(opened.object.fd);
    using merged = mountOverlay(tree, objects, {
      source: sourceOf(opened.id, options.label),
      verity: opened.wantVerity,
      writable: options.writable,
    });
    attachMountOver(merged, directory);
  } catch (error) {
    throw explain(error, image);
  }
  return {
    imageId: opened.id,
    target,
    verity: opened.wantVerity,
    readOnly: options.writable === undefined,
  };
}

/** A second mount would hide the first one, and `umount` would show it again. @throws ConflictError MOUNT_EXISTS */
function requireFree(directory: Dir, target: string): void {
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
function explain(error: unknown, image: string): unknown {
  if (!isOnecopyError(error) || !hasCode(error, 'SYSCALL_FAILED')) return error;
  const hint = hasErrno(error, 'EPERM')
    ? 'mounting needs root; ls, cat, find and cp read an image without mounting it'
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

/** A detached, read-only mount of an EROFS file; through a loop device if the kernel does not support regular files (before 6.12). */
function mountErofs(fd: number): HostFile {
  try {
    return mountErofsFrom(`/proc/self/fd/${fd}`);
  } catch (error) {
    if (!hasErrno(error, 'ENOTBLK') && !hasErrno(error, 'EINVAL')) throw error;
  }
  using device = openLoopDevice(fd, { readOnly: true, directIo: true });
  return mountErofsFrom(device.path);
}

function mountErofsFrom(source: string): HostFile {
  using context = new MountContext('erofs');
  context.setFlag('ro');
  context.setString('source', source);
  return context.mount({ readOnly: true });
}

interface OverlayOptions {
  readonly source: string;
  readonly verity: boolean;
  readonly writable: UpperLayer | undefined;
}

/** A detached overlay of the tree over the objects. Source of the options: composefs core spec 8.1. */
function mountOverlay(tree: HostFile, objects: Dir, options: OverlayOptions): HostFile {
  using context = new MountContext('overlay');
  context.setString('source', byteStringFromText(options.source));
  context.setString('metacopy', 'on');
  context.setString('redirect_dir', 'on');
  if (options.verity) context.setString('verity', 'require');
  const { writable } = options;
  if (writable !== undefined) {
    context.setString('upperdir', overlayPath(writable.upper));
    context.setString('workdir', overlayPath(writable.work));
  }
  const readOnly = writable === undefined;
  if (context.trySetFile('lowerdir+', tree) === 0) {
    context.setFile('datadir+', objects);
    return context.mount({ readOnly });
  }
  // Before Linux 6.15 overlayfs takes layers by path only, and refuses a detached mount.
  return withAttached(tree, (path) => {
    context.setString('lowerdir', `${path}::/proc/self/fd/${objects.fd}`);
    return context.mount({ readOnly });
  });
}

/** A path as overlayfs reads it from an option: bytes, with a backslash before each backslash. Source: Linux fs/overlayfs/params.c ovl_unescape. */
function overlayPath(path: string): ByteString {
  return byteStringFromText(path.replaceAll('\\', '\\\\'));
}

/** Attaches a detached mount to a temporary directory while `use` needs a path to it. */
function withAttached<T>(mount: HostFile, use: (path: string) => T): T {
  using temporary = Dir.open(process.env['TMPDIR'] ?? '/tmp');
  const name = `.onecopy-mount-${process.pid}`;
  temporary.mkdir(name, 0o700);
  const path = `${temporary.label}/${name}`;
  try {
    attachMount(mount, temporary, name);
    try {
      using attached = temporary.openDir(name);
      return use(`/proc/self/fd/${attached.fd}`);
    } finally {
      unmount(path, { lazy: true });
    }
  } finally {
    temporary.rmdir(name);
  }
}
