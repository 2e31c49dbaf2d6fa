import { type ByteString, byteStringFromText } from '#base/bytes';
import {
  attachMount,
  type Descriptor,
  Dir,
  type HostFile,
  hasErrno,
  isInitialUserNamespace,
  MountContext,
  openLoopDevice,
  setMountAttributes,
  unmount,
} from '#host';

/** A writable layer above the image: both directories on one filesystem, `work` empty. */
export interface UpperLayer {
  readonly upper: string;
  readonly work: string;
}

/** An open image file. */
type ImageFile = Exclude<Descriptor, number>;

/** Options of the layers of a mount. */
export interface LayerOptions {
  /** Source shown in the mount table. */
  readonly source: string;
  /** Directories of objects, searched in order. Empty for a tree that contains the contents. */
  readonly objects: readonly Dir[];
  /** Whether the kernel verifies each file against its fs-verity digest; `try` does so if the kernel supports it. */
  readonly verity: 'off' | 'try' | 'require';
  readonly writable: UpperLayer | undefined;
  readonly readOnly: boolean;
  /** A user namespace whose id mapping applies to the owners in the image. */
  readonly idMap?: Descriptor | undefined;
}

/**
 * A detached mount of an image: EROFS provides the tree, overlayfs reads the files' data from the objects.
 * @param image open image file
 * @throws HostError SYSCALL_FAILED. Source: composefs core spec 8.1
 */
export function mountLayers(image: ImageFile, options: LayerOptions): HostFile {
  using tree = mountErofs(image);
  if (options.idMap !== undefined) setMountAttributes(tree, { idMap: options.idMap });
  return mountOverlay(tree, options);
}

/** A detached, read-only mount of an EROFS file; uses a loop device if the kernel cannot mount regular files (before 6.12). */
function mountErofs(image: ImageFile): HostFile {
  try {
    return mountErofsFrom(`/proc/self/fd/${image.fd}`);
  } catch (error) {
    if (!hasErrno(error, 'ENOTBLK') && !hasErrno(error, 'EINVAL')) throw error;
  }
  using device = openLoopDevice(image, { readOnly: true, directIo: true });
  return mountErofsFrom(device.path);
}

function mountErofsFrom(source: string): HostFile {
  using context = new MountContext('erofs');
  context.setFlag('ro');
  context.setString('source', source);
  return context.mount({ readOnly: true });
}

/**
 * A detached overlay of the tree over the objects; without objects the tree contains the contents. Source of the options: composefs core spec
 * 8.1.
 */
export function mountOverlay(tree: HostFile, options: LayerOptions): HostFile {
  const { objects, writable, readOnly } = options;
  using context = new MountContext('overlay');
  context.setString('source', byteStringFromText(options.source));
  if (objects.length > 0) {
    context.setString('metacopy', 'on');
    context.setString('redirect_dir', 'on');
  }
  if (!isInitialUserNamespace()) context.setFlag('userxattr');
  if (options.verity === 'require') context.setString('verity', 'require');
  // A kernel without the option refuses it; then files are not verified.
  if (options.verity === 'try') context.trySetString('verity', 'require');
  if (writable !== undefined) {
    context.setString('upperdir', overlayPath(writable.upper));
    context.setString('workdir', overlayPath(writable.work));
  }
  if (context.trySetFile('lowerdir+', tree) === 0) {
    for (const directory of objects) context.setFile('datadir+', directory);
    return context.mount({ readOnly });
  }
  // Before Linux 6.15 overlayfs accepts layers by path only, and refuses a detached mount.
  return withAttached(tree, (path) => {
    const data = objects.map(({ fd }) => `::/proc/self/fd/${fd}`);
    context.setString('lowerdir', [path, ...data].join(''));
    return context.mount({ readOnly });
  });
}

/** Encodes a path as an overlayfs option: bytes, with a backslash before each backslash. Source: Linux fs/overlayfs/params.c ovl_unescape. */
function overlayPath(path: string): ByteString {
  return byteStringFromText(path.replaceAll('\\', '\\\\'));
}

/** Attaches a detached mount to a temporary directory while `use` needs its path. */
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
