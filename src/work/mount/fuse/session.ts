import { availableParallelism } from 'node:os';
import { byteStringFromText } from '#base/bytes';
import { UnsupportedError } from '#base/errors';
import {
  attachMountOver,
  Dir,
  type HostFile,
  hasProcessCapability,
  MountContext,
  mountByHelper,
  openFuseDevice,
  startWorker,
} from '#host';
import { mountOverlay, type UpperLayer } from '../layers.ts';
import { unmountPlace } from '../unmount.ts';
import type { FuseThreadData } from './fuse-worker.ts';

/** Maximum number of threads that answer in parallel if the kernel does not read files itself. */
const THREADS_MAX = 4;

/** Options of a session. */
export interface SessionOptions {
  /** The image, open. */
  readonly image: HostFile;
  /** Directories of objects, open. */
  readonly objects: readonly Dir[];
  /** Every object must have fs-verity. */
  readonly verity: boolean;
  /** Source in the mount table. */
  readonly source: string;
  /** Suffix of the type in the mount table, after `fuse.`. */
  readonly subtype: string;
  /** Allow access by other users. Root always has access, others only if /etc/fuse.conf allows it. */
  readonly allowOther: boolean;
  /** Hides access control lists. */
  readonly hidesAccessLists: boolean;
  readonly writable?: UpperLayer | undefined;
}

/** A mounted image that this process serves. It ends when any process unmounts the image. */
export interface FuseSession {
  /** Resolves when the image is unmounted. Rejects when a thread fails. */
  readonly done: Promise<void>;
  /** Unmounts the image. @throws HostError SYSCALL_FAILED (EBUSY while it is in use) */
  unmount(): Promise<void>;
}

/**
 * Mounts an image over a directory and answers the kernel in threads: mounted directly with CAP_SYS_ADMIN, else by `fusermount3`. The session
 * owns the open files in its options, and closes them at its end.
 * @throws UnsupportedError MOUNT_UNSUPPORTED; HostError SYSCALL_FAILED
 */
export async function startSession(target: string, options: SessionOptions): Promise<FuseSession> {
  const files: (HostFile | Dir)[] = [options.image, ...options.objects];
  const close = () => {
    for (const file of files) file[Symbol.dispose]();
  };
  try {
    const isPrivileged = hasProcessCapability('sysAdmin');
    if (!isPrivileged && options.writable !== undefined) throw noUpper(target);
    const device = isPrivileged
      ? openFuseDevice()
      : await mountByHelper(target, helperOptions(options));
    files.push(device);
    // A device that belongs to no mount yet cannot be read: the mount comes first, then the threads, which answer while it is attached.
    using tree = isPrivileged ? mountTree(device, options) : undefined;
    const done = serve(device, options, isPrivileged).finally(close);
    done.catch(() => undefined);
    if (tree !== undefined) attach(tree, target, options);
    return { done, unmount: () => unmountPlace(target) };
  } catch (error) {
    // The mount is gone, which ends the threads.
    close();
    throw error;
  }
}

/** Answers requests until the filesystem is unmounted. */
async function serve(
  device: HostFile,
  options: SessionOptions,
  passthrough: boolean,
): Promise<void> {
  const data: FuseThreadData = {
    device: device.fd,
    image: options.image.fd,
    objects: options.objects.map(({ fd }) => fd),
    verity: options.verity,
    hidesAccessLists: options.hidesAccessLists,
    passthrough,
  };
  // If the kernel reads the files itself, few requests remain.
  const count = passthrough ? 1 : Math.min(THREADS_MAX, availableParallelism());
  const start = () =>
    startWorker<FuseThreadData, never, never, void>(
      new URL('./fuse-worker.ts', import.meta.url),
      data,
      { name: 'fuse' },
    ).done;
  await Promise.all(Array.from({ length: count }, start));
}

/** A detached mount of the connection. */
function mountTree(device: HostFile, options: SessionOptions): HostFile {
  using context = new MountContext('fuse');
  context.setFlag('ro');
  context.setFlag('default_permissions');
  if (options.allowOther) context.setFlag('allow_other');
  context.setString('subtype', options.subtype);
  context.setString('source', byteStringFromText(options.source));
  context.setString('rootmode', '040555');
  context.setString('user_id', String(process.getuid?.() ?? 0));
  context.setString('group_id', String(process.getgid?.() ?? 0));
  context.setString('fd', String(device.fd));
  return context.mount({ readOnly: true });
}

function attach(tree: HostFile, target: string, { source, writable }: SessionOptions): void {
  using directory = Dir.open(target);
  if (writable === undefined) {
    attachMountOver(tree, directory);
    return;
  }
  using merged = mountOverlay(tree, {
    source,
    objects: [],
    verity: 'off',
    writable,
    readOnly: false,
  });
  attachMountOver(merged, directory);
}

/** Unmounts the image when this process is asked to end. */
export function unmountOnSignals(session: FuseSession): void {
  const end = () => void session.unmount().catch(() => undefined);
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
}

function noUpper(target: string): UnsupportedError {
  return new UnsupportedError(
    'MOUNT_UNSUPPORTED',
    `Cannot mount a writable layer over "${target}": overlayfs needs CAP_SYS_ADMIN`,
    { image: target, errno: 'EPERM' },
    {
      hint: 'Run the command as root, or in a user namespace: unshare --user --map-root-user --mount',
    },
  );
}

function helperOptions({ source, subtype, allowOther }: SessionOptions): string {
  const plain = (value: string) => value.replace(/[\\,]/g, '\\$&');
  return [
    'ro,nosuid,nodev,default_permissions',
    ...(allowOther ? ['allow_other'] : []),
    `subtype=${plain(subtype)}`,
    `fsname=${plain(source)}`,
  ].join(',');
}
