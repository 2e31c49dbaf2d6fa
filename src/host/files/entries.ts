import type { ByteString } from '#base/bytes';
import { failSyscall } from '../ffi/errno.ts';
import { SLAB, slab, sys } from '../ffi/ffi.ts';
import { AT, OPEN } from '../ffi/flags.ts';
import { putName } from '../ffi/name.ts';
import { type FileType, statAt, typeOfBits } from './stat.ts';

/** One entry of a directory. */
export interface DirEntry {
  /** Exact bytes of the name. */
  readonly name: ByteString;
  readonly type: FileType;
}

/** getdents64 (x86-64: unistd_64.h 217, arm64: asm-generic/unistd.h 61). */
const GETDENTS64_NUMBER = process.arch === 'arm64' ? 61 : 217;
/** Offsets in struct linux_dirent64 (getdents64(2)). */
const DIRENT = { inode: 0, recordLength: 16, type: 18, name: 19 } as const;
/** Records of struct linux_dirent64 are padded to this many bytes. Source: Linux fs/readdir.c filldir64 */
const RECORD_ALIGNMENT = 8;

/**
 * All entries of a directory but `.` and `..`, in the order of the filesystem. The directory is opened again, so that two readers of one
 * descriptor do not share an offset.
 * @throws HostError SYSCALL_FAILED
 */
export function readDirEntries(dir: { readonly fd: number; readonly label: string }): DirEntry[] {
  const here = slab().address + SLAB.here;
  const fd = sys.openat(dir.fd, here, OPEN.read | OPEN.directory | OPEN.cloexec, 0);
  if (fd < 0) failSyscall('openat', dir.label);
  try {
    return readAllEntries(fd, dir.label);
  } finally {
    sys.close(fd);
  }
}

/**
 * Receives one entry: its name is `bytes[start, end)`, valid until the function returns; `inode` is exact below 2^53. The function may make
 * system calls, except calls that return values of variable length.
 */
export type EntryVisitor = (
  bytes: Buffer,
  start: number,
  end: number,
  type: FileType,
  inode: number,
) => void;

/**
 * Visits all entries of a directory but `.` and `..` without allocating objects, for directories with tens of thousands of entries. Reads
 * at the offset of the descriptor, so the descriptor must not be shared.
 * @throws HostError SYSCALL_FAILED
 */
export function visitDirEntries(
  { fd, label }: { readonly fd: number; readonly label: string },
  visit: EntryVisitor,
): void {
  const { bytes, view, address } = slab();
  const DOT = 0x2e;
  for (;;) {
    const length = getEntries(fd, address + SLAB.value, label);
    if (length === 0) return;
    for (let at: number = SLAB.value; at < SLAB.value + length; ) {
      const start = at + DIRENT.name;
      const next = at + view.getUint16(at + DIRENT.recordLength, true);
      const end = endOfName(bytes, start, next);
      const dots = bytes[start] !== DOT ? 0 : bytes[start + 1] !== DOT ? 1 : 2;
      if (dots === 0 || end - start !== dots) {
        const high = view.getUint32(at + DIRENT.inode + 4, true);
        const low = view.getUint32(at + DIRENT.inode, true);
        // A sum would be a floating-point number, for which V8 allocates memory at each call.
        const inode = high === 0 ? low : high * 0x1_0000_0000 + low;
        visit(bytes, start, end, typeOfBits(bytes[at + DIRENT.type] ?? 0), inode);
      }
      at = next;
    }
  }
}

function getEntries(fd: number, into: number, label: string): number {
  const length = sys.syscall(GETDENTS64_NUMBER, fd, into, SLAB.valueBytes, 0, 0, 0);
  if (length < 0) failSyscall('getdents64', label);
  return length;
}

/** The record ends less than eight bytes behind the NUL that ends the name. */
function endOfName(bytes: Uint8Array, start: number, next: number): number {
  let end = Math.max(start, next - RECORD_ALIGNMENT);
  while (bytes[end] !== 0) end += 1;
  return end;
}

function readAllEntries(fd: number, label: string): DirEntry[] {
  const memory = slab();
  const entries: DirEntry[] = [];
  let unknown = false;
  for (;;) {
    const length = getEntries(fd, memory.address + SLAB.value, label);
    if (length === 0) break;
    for (let at: number = SLAB.value; at < SLAB.value + length; ) {
      const start = at + DIRENT.name;
      const next = at + memory.view.getUint16(at + DIRENT.recordLength, true);
      const end = endOfName(memory.bytes, start, next);
      const name = memory.bytes.toString('latin1', start, end) as ByteString;
      if (name !== '.' && name !== '..') {
        const type = typeOfBits(memory.view.getUint8(at + DIRENT.type));
        if (type === 'unknown') unknown = true;
        entries.push({ name, type });
      }
      at = next;
    }
  }
  return unknown ? entries.map((entry) => withType(fd, entry, label)) : entries;
}

/** Some filesystems do not store the type in the directory (d_type DT_UNKNOWN): ask the inode. */
function withType(fd: number, entry: DirEntry, label: string): DirEntry {
  if (entry.type !== 'unknown') return entry;
  const address = putName(entry.name, SLAB.nameA, 'statx');
  const stat = statAt(fd, address, AT.symlinkNoFollow, () => label);
  return { name: entry.name, type: stat?.type ?? 'unknown' };
}
