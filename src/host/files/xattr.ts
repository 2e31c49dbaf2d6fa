import type { ByteString } from '#base/bytes';
import { ERRNO, failSyscall, hostError } from '../ffi/errno.ts';
import { lastErrno, SLAB, slab, sys } from '../ffi/ffi.ts';
import { type Descriptor, fdOf, labelOf, type Name, putBytes, putProcPath } from '../ffi/name.ts';

/**
 * The file of the attributes: an open descriptor, or a name below a directory (`{ dir, name }`). A symbolic link is not followed. Note that
 * a symbolic link cannot have `user.` attributes.
 */
export type XattrTarget = Descriptor | { readonly dir: Descriptor; readonly name: Name };

/** Extended attributes by name; names and values are bytes. */
export type Xattrs = Map<ByteString, Uint8Array>;

interface Resolved {
  /** Descriptor, or -1 when `path` is set. */
  readonly fd: number;
  /** Address of a path in the slab. */
  readonly path: number;
}

function resolve(target: XattrTarget, syscall: string): Resolved {
  if (typeof target === 'object' && 'dir' in target) {
    return { fd: -1, path: putProcPath(fdOf(target.dir), target.name, syscall) };
  }
  return { fd: fdOf(target), path: 0 };
}

function describe(target: XattrTarget): string {
  if (typeof target === 'object' && 'dir' in target) {
    return `${labelOf(target.dir)}/${target.name}`;
  }
  return labelOf(target);
}

/**
 * The value of one attribute; undefined if it is not set, or if the filesystem does not support attributes.
 * @throws HostError SYSCALL_FAILED
 */
export function getXattr(target: XattrTarget, name: Name): Buffer | undefined {
  const memory = slab();
  const at = resolve(target, 'lgetxattr');
  const key = putBytes(name, SLAB.nameB, 'lgetxattr');
  const into = memory.address + SLAB.value;
  const length =
    at.fd < 0
      ? sys.lgetxattr(at.path, key, into, SLAB.valueBytes)
      : sys.fgetxattr(at.fd, key, into, SLAB.valueBytes);
  if (length >= 0) return Buffer.from(memory.bytes.subarray(SLAB.value, SLAB.value + length));
  const errno = lastErrno();
  if (errno === ERRNO.ENODATA || errno === ERRNO.EOPNOTSUPP) return undefined;
  throw hostError(errno, 'lgetxattr', describe(target));
}

/** Names of all attributes that this process may see, in the order of the kernel. @throws HostError SYSCALL_FAILED */
export function listXattrs(target: XattrTarget): ByteString[] {
  const memory = slab();
  const at = resolve(target, 'llistxattr');
  const into = memory.address + SLAB.value;
  const length =
    at.fd < 0
      ? sys.llistxattr(at.path, into, SLAB.valueBytes)
      : sys.flistxattr(at.fd, into, SLAB.valueBytes);
  if (length === 0) return [];
  if (length < 0) {
    const errno = lastErrno();
    if (errno === ERRNO.EOPNOTSUPP) return [];
    throw hostError(errno, 'llistxattr', describe(target));
  }
  const list = memory.bytes.toString('latin1', SLAB.value, SLAB.value + length - 1);
  return list.split('\0') as ByteString[];
}

/**
 * All attributes with their values. An attribute that is removed between listing and reading is omitted.
 * @throws HostError SYSCALL_FAILED
 */
export function readXattrs(target: XattrTarget): Xattrs {
  const xattrs: Xattrs = new Map();
  for (const name of listXattrs(target)) {
    const value = getXattr(target, name);
    if (value !== undefined) xattrs.set(name, value);
  }
  return xattrs;
}

/** Whether an attribute may, must or must not exist before it is set. */
export type XattrCondition = 'any' | 'create' | 'replace';
/** Flags of setxattr(2). */
const CONDITION_FLAG = { any: 0, create: 1, replace: 2 } as const;

/** Sets one attribute; the value is at most 65536 bytes. @throws HostError SYSCALL_FAILED, NO_SPACE */
export function setXattr(
  target: XattrTarget,
  name: Name,
  value: Uint8Array,
  condition: XattrCondition = 'any',
): void {
  if (value.length > SLAB.valueBytes) throw hostError(ERRNO.ERANGE, 'lsetxattr', describe(target));
  const memory = slab();
  const at = resolve(target, 'lsetxattr');
  const key = putBytes(name, SLAB.nameB, 'lsetxattr');
  memory.bytes.set(value, SLAB.value);
  const from = memory.address + SLAB.value;
  const flag = CONDITION_FLAG[condition];
  const result =
    at.fd < 0
      ? sys.lsetxattr(at.path, key, from, value.length, flag)
      : sys.fsetxattr(at.fd, key, from, value.length, flag);
  if (result !== 0) failSyscall('lsetxattr', describe(target));
}

/** Removes one attribute; false when it was not set. @throws HostError SYSCALL_FAILED */
export function removeXattr(target: XattrTarget, name: Name): boolean {
  const at = resolve(target, 'lremovexattr');
  const key = putBytes(name, SLAB.nameB, 'lremovexattr');
  const result = at.fd < 0 ? sys.lremovexattr(at.path, key) : sys.fremovexattr(at.fd, key);
  if (result === 0) return true;
  const errno = lastErrno();
  if (errno === ERRNO.ENODATA) return false;
  throw hostError(errno, 'lremovexattr', describe(target));
}
