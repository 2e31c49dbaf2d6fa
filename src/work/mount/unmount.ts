import { type ByteString, displayText } from '#base/bytes';
import type { ObjectId } from '#base/digest';
import { NotFoundError } from '#base/errors';
import { Dir, hasErrno, pathOf, readAll, unmount, unmountByHelper } from '#host';
import { parseSource, SOURCE_PREFIX } from './source.ts';

/** Size limit of the mount table, in bytes. */
const MOUNT_TABLE_BYTES_MAX = 64 << 20;

/** A mounted image, as the mount table shows it. */
export interface MountedImage {
  /** Absolute path of the mount point. */
  readonly target: string;
  /** Name or id by which it was mounted. */
  readonly image: string;
  /** Undefined if another tool mounted it by a name. */
  readonly imageId: ObjectId | undefined;
}

/** Decodes octal escapes of /proc/self/mountinfo (proc_pid_mountinfo(5)). */
function unescapeField(field: string): ByteString {
  return field.replace(/\\([0-7]{3})/g, (_match, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  ) as ByteString;
}

/** All mounted images of this mount namespace, in the order of the mount table. */
export function listMounts(): MountedImage[] {
  using proc = Dir.open('/proc/self');
  using file = proc.openFile('mountinfo');
  const lines = Buffer.from(readAll(file, MOUNT_TABLE_BYTES_MAX)).toString('latin1').split('\n');
  return lines.flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const source = unescapeField(after.split(' ')[1] ?? '');
    if (!source.startsWith(SOURCE_PREFIX)) return [];
    const target = displayText(unescapeField(before.split(' ')[4] ?? ''));
    const { name, id } = parseSource(displayText(source.slice(SOURCE_PREFIX.length) as ByteString));
    return [{ target, image: name, imageId: id }];
  });
}

/**
 * The topmost image that is mounted at a path.
 * @throws NotFoundError MOUNT_NOT_FOUND
 */
export function findMount(target: string): MountedImage {
  using directory = Dir.openPath(pathOf(target));
  return mountAt(directory, target);
}

/** The topmost image mounted at an open directory; undefined without one. */
export function mountedAt(directory: Dir, target: string): MountedImage | undefined {
  const whole = wholePath(directory, target);
  return listMounts().findLast((mount) => mount.target === whole);
}

function wholePath(directory: Dir, target: string): string {
  using proc = Dir.open('/proc/self');
  return displayText(proc.readlink(`fd/${directory.fd}`) ?? pathOf(target));
}

function mountAt(directory: Dir, target: string): MountedImage {
  const mounted = mountedAt(directory, target);
  if (mounted !== undefined) return mounted;
  const whole = wholePath(directory, target);
  throw new NotFoundError(
    'MOUNT_NOT_FOUND',
    `Cannot unmount "${whole}": no image is mounted there`,
    { target: whole },
    { hint: 'List the mounted images with: grep composefs: /proc/self/mountinfo' },
  );
}

/**
 * Unmounts an image; the process that serves it ends. Refuses other mounts.
 * @param target the mount point as an absolute path
 * @throws NotFoundError MOUNT_NOT_FOUND; HostError SYSCALL_FAILED (EBUSY while in use); UnsupportedError MOUNT_UNSUPPORTED
 */
export async function unmountImage(target: string): Promise<MountedImage> {
  let mounted: MountedImage;
  {
    using directory = Dir.openPath(pathOf(target));
    mounted = mountAt(directory, target);
  }
  await unmountPlace(mounted.target);
  return mounted;
}

/** Unmounts by `fusermount3` if this user may not unmount directly. @throws HostError SYSCALL_FAILED; UnsupportedError MOUNT_UNSUPPORTED */
export async function unmountPlace(target: string): Promise<void> {
  try {
    unmount(target);
  } catch (error) {
    if (!hasErrno(error, 'EPERM')) throw error;
    await unmountByHelper(target);
  }
}
