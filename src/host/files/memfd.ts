import { failSyscall } from '../ffi/errno.ts';
import { SLAB, sys } from '../ffi/ffi.ts';
import { fdOf, labelOf, putBytes } from '../ffi/name.ts';
import { HostFile } from './file.ts';

/** Linux memfd.h. */
const MFD_CLOEXEC = 0x1;
const MFD_ALLOW_SEALING = 0x2;
/** Linux fcntl.h. */
const F_ADD_SEALS = 1033;
const F_SEAL = { seal: 0x1, shrink: 0x2, grow: 0x4, write: 0x8 } as const;

/**
 * Makes a file in memory, without a name in any directory; `name` is only shown in /proc.
 * @throws HostError SYSCALL_FAILED
 */
export function createMemfd(name: string): HostFile {
  const address = putBytes(name, SLAB.nameA, 'memfd_create');
  const fd = sys.memfd_create(address, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) failSyscall('memfd_create', name);
  return new HostFile(fd, name);
}

/** Forbids every further change of a file in memory, for all who have it. @throws HostError SYSCALL_FAILED (EBUSY while it is mapped) */
export function sealMemfd(file: HostFile): void {
  const seals = F_SEAL.seal | F_SEAL.shrink | F_SEAL.grow | F_SEAL.write;
  if (sys.fcntl(fdOf(file), F_ADD_SEALS, seals) !== 0) failSyscall('fcntl', labelOf(file));
}
