import { failSyscall } from '../ffi/errno.ts';
import { SLAB, slab, sys } from '../ffi/ffi.ts';
import { type Descriptor, fdOf, labelOf } from '../ffi/name.ts';

/** ioctl numbers _IOR('f', 1, long) and _IOW('f', 2, long) on 64-bit Linux, and the flag (Linux fs.h FS_IMMUTABLE_FL). */
const FS_IOC_GETFLAGS = 0x80086601;
const FS_IOC_SETFLAGS = 0x40086602;
const IMMUTABLE = 0x10;

/** True when no user, not even root, can change the inode. @throws HostError SYSCALL_FAILED */
export function isImmutable(file: Descriptor): boolean {
  return (readFlags(file) & IMMUTABLE) !== 0;
}

/** Makes an inode immutable, or changeable again; false when it was already so. Needs CAP_LINUX_IMMUTABLE. @throws HostError */
export function setImmutable(file: Descriptor, immutable: boolean): boolean {
  const before = readFlags(file);
  const after = immutable ? before | IMMUTABLE : before & ~IMMUTABLE;
  if (after === before) return false;
  const memory = slab();
  memory.view.setBigUint64(SLAB.struct, BigInt(after >>> 0), true);
  if (sys.ioctl(fdOf(file), FS_IOC_SETFLAGS, memory.address + SLAB.struct) !== 0) {
    failSyscall('ioctl FS_IOC_SETFLAGS', labelOf(file));
  }
  return true;
}

function readFlags(file: Descriptor): number {
  const memory = slab();
  memory.view.setBigUint64(SLAB.struct, 0n, true);
  if (sys.ioctl(fdOf(file), FS_IOC_GETFLAGS, memory.address + SLAB.struct) !== 0) {
    failSyscall('ioctl FS_IOC_GETFLAGS', labelOf(file));
  }
  return memory.view.getUint32(SLAB.struct, true);
}
