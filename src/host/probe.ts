import { isOnecopyError } from '#base/errors';
import { tryOpenInflater } from './accelerate/inflate.ts';
import { tryOpenLaneHash } from './accelerate/lanes.ts';
import { hasErrno } from './ffi/errno.ts';
import { Dir } from './files/dir.ts';
import { HostFile, readAll } from './files/file.ts';
import { openUnnamed, type TmpFile } from './files/tmpfile.ts';
import { tryEnableVerity } from './files/verity.ts';
import { getXattr, setXattr } from './files/xattr.ts';
import { MountContext } from './mounts/mount.ts';
import { cloneFile } from './sharing/reflink.ts';

/** Names of the capabilities. `root` and all after it do not depend on the directory. */
export const CAPABILITY_NAMES = [
  'tmpfile',
  'reflink',
  'verity-sha256',
  'verity-sha512',
  'xattr-user',
  'xattr-trusted',
  'root',
  'initial-user-namespace',
  'user-namespaces',
  'mount-api',
  'erofs',
  'overlay',
  'overlay-lower-by-fd',
  'loop',
  'hash-lanes',
  'fast-inflate',
] as const;
export type CapabilityName = (typeof CAPABILITY_NAMES)[number];

/** One row of the table: whether the capability is present, and the reason if it is not. */
export interface Capability {
  readonly name: CapabilityName;
  readonly available: boolean;
  /** Reason when missing, else empty. */
  readonly detail: string;
}

/** Every capability, in the order of `CAPABILITY_NAMES`. */
export type CapabilityTable = ReadonlyMap<CapabilityName, Capability>;

/** Inode number of the initial user namespace (Linux proc_ns.h PROC_USER_INIT_INO). */
const INITIAL_USER_NAMESPACE = 'user:[4026531837]';
const PROC_FILE_BYTES_MAX = 1 << 20;

/** A probe answers true, or the reason why not. */
type Answer = true | string;

/**
 * Probes by trying the operation, not by comparing versions. A probe leaves nothing behind: it uses unnamed files only, and mounts nothing.
 * A probe that fails unexpectedly counts as "no" with the error as its reason.
 */
export function probeHost(directory: Dir): CapabilityTable {
  const probes: Record<CapabilityName, () => Answer> = {
    tmpfile: () => probeTmpfile(directory),
    reflink: () => probeReflink(directory),
    'verity-sha256': () => probeVerity(directory, 'sha256'),
    'verity-sha512': () => probeVerity(directory, 'sha512'),
    'xattr-user': () => probeXattr(directory, 'user.onecopy.probe'),
    'xattr-trusted': () => probeXattr(directory, 'trusted.onecopy.probe'),
    root: () => process.geteuid?.() === 0 || 'the effective user is not root',
    'initial-user-namespace': probeInitialUserNamespace,
    'user-namespaces': probeUserNamespaces,
    'mount-api': () => probeFilesystem('tmpfs'),
    erofs: () => probeFilesystem('erofs'),
    overlay: () => probeFilesystem('overlay'),
    'overlay-lower-by-fd': () => probeLowerByFile(directory),
    loop: () => probeLoop(),
    'hash-lanes': () => probeHashLanes(),
    'fast-inflate': () => probeInflater(),
  };
  return new Map(
    CAPABILITY_NAMES.map((name) => {
      const answer = attempt(probes[name]);
      const available = answer === true;
      return [name, { name, available, detail: available ? '' : answer }];
    }),
  );
}

/**
 * True when files of `from` can become reflinks in `to` (both are probed with one byte).
 * @throws HostError NO_SPACE, SYSCALL_FAILED
 */
export function probeReflinkBetween(from: Dir, to: Dir): boolean {
  using source = from.tmpfile(0o600);
  using target = to.tmpfile(0o600);
  source.write(new Uint8Array(1));
  return cloneFile(source, target);
}

function attempt(probe: () => Answer): Answer {
  try {
    return probe();
  } catch (error) {
    if (isOnecopyError(error)) return error.message;
    throw error;
  }
}

function probeTmpfile(directory: Dir): Answer {
  const fd = openUnnamed(directory, 0o600);
  if (fd < 0) return 'the filesystem has no O_TMPFILE, files get a temporary name';
  new HostFile(fd, 'probe')[Symbol.dispose]();
  return true;
}

function probeReflink(directory: Dir): Answer {
  return (
    probeReflinkBetween(directory, directory) || 'the filesystem cannot share extents (FICLONE)'
  );
}

function probeVerity(directory: Dir, algorithm: 'sha256' | 'sha512'): Answer {
  using file: TmpFile = directory.tmpfile(0o600);
  file.write(new Uint8Array(1));
  file.seal();
  const outcome = tryEnableVerity(file, algorithm);
  return outcome === 'enabled' || `enabling fs-verity answered "${outcome}"`;
}

function probeXattr(directory: Dir, name: string): Answer {
  using file = directory.tmpfile(0o600);
  setXattr(file, name, new Uint8Array([1]));
  return getXattr(file, name)?.[0] === 1 || 'the value could not be read back';
}

function readProc(path: string): string | undefined {
  using proc = Dir.open('/proc');
  using file = proc.tryOpenFile(path);
  return file === undefined ? undefined : readAll(file, PROC_FILE_BYTES_MAX).toString();
}

/** True in the first user namespace, whose root may have the kernel mount every filesystem. */
export function isInitialUserNamespace(): boolean {
  return userNamespace() === INITIAL_USER_NAMESPACE;
}

function userNamespace(): string | undefined {
  using proc = Dir.open('/proc');
  return proc.readlink('self/ns/user');
}

function probeInitialUserNamespace(): Answer {
  return isInitialUserNamespace() || `this is ${userNamespace() ?? 'unknown'}`;
}

function probeUserNamespaces(): Answer {
  const limit = Number(readProc('sys/user/max_user_namespaces') ?? '0');
  if (limit === 0) return 'user.max_user_namespaces is 0';
  const debian = readProc('sys/kernel/unprivileged_userns_clone');
  const allowed = debian === undefined || Number(debian) !== 0 || process.geteuid?.() === 0;
  return allowed || 'kernel.unprivileged_userns_clone is 0';
}

function probeFilesystem(type: string): Answer {
  try {
    using _context = new MountContext(type);
    return true;
  } catch (error) {
    if (hasErrno(error, 'EPERM')) return 'mounting needs CAP_SYS_ADMIN';
    if (hasErrno(error, 'ENODEV')) return `this kernel has no ${type}`;
    if (hasErrno(error, 'ENOSYS')) return 'this kernel has no fsopen';
    throw error;
  }
}

function probeLowerByFile(directory: Dir): Answer {
  using context = new MountContext('overlay');
  return (
    context.trySetFile('lowerdir+', directory) === 0 ||
    'overlay takes layers only by path before Linux 6.15'
  );
}

function probeHashLanes(): Answer {
  const lanes = tryOpenLaneHash('sha512');
  return lanes !== undefined || 'no libIPSec_MB of release 1.3 or later, or no AVX2';
}

function probeInflater(): Answer {
  using inflater = tryOpenInflater();
  return inflater !== undefined || 'no libisal.so.2';
}

function probeLoop(): Answer {
  using devices = Dir.open('/dev');
  using control = devices.tryOpenFile('loop-control');
  return control !== undefined || 'there is no /dev/loop-control';
}
