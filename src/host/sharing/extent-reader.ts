import { ERRNO, hostError } from '../ffi/errno.ts';
import { allocatePinned, lastErrno, type Slab, slab, sys } from '../ffi/ffi.ts';
import { OPEN } from '../ffi/flags.ts';
import type { Dir } from '../files/dir.ts';
import { EXTENT, EXTENT_LAST, FIEMAP, FS_IOC_FIEMAP } from './fiemap.ts';

/**
 * Receives one extent in bytes, with the flags of `EXTENT_FLAG`. `physical` is exact below 2^53, and means nothing for extents that have no
 * place of their own (inline, delayed, unknown).
 */
export type ExtentVisitor = (physical: number, sizeBytes: number, flags: number) => void;

/** What became of a file: its extents were visited, its filesystem tells none, this user may not open it, or it has just been removed. */
export type ExtentOutcome = 'mapped' | 'unmapped' | 'denied' | 'gone';

/** Extents that one call returns. */
const EXTENTS_PER_CALL = 1024;

/**
 * Reads the extents of many files with three system calls each and without allocation. Data that is not written yet is told as delayed, not
 * written first.
 */
export class ExtentReader {
  readonly #memory: Slab;

  constructor() {
    this.#memory = allocatePinned(FIEMAP.headerBytes + EXTENTS_PER_CALL * FIEMAP.extentBytes);
  }

  /**
   * Visits the extents of a regular file by the name that `Dir.visitEntries` gives: it lies in the memory for names, at `start`, and ends
   * with a NUL. A symbolic link is not followed.
   * @throws HostError SYSCALL_FAILED
   */
  visitEntry(dir: Dir, start: number, visit: ExtentVisitor): ExtentOutcome {
    const flags = OPEN.read | OPEN.noFollow | OPEN.nonBlock | OPEN.cloexec;
    const fd = sys.openat(dir.fd, slab().address + start, flags, 0);
    if (fd < 0) {
      const outcome = OUTCOMES.get(lastErrno());
      if (outcome !== undefined) return outcome;
      throw hostError(lastErrno(), 'openat', dir.displayPath(nameAt(start)));
    }
    try {
      return this.#visit(fd, visit, () => dir.displayPath(nameAt(start)));
    } finally {
      sys.close(fd);
    }
  }

  /** Visits the extents of an open file or directory. @throws HostError SYSCALL_FAILED */
  visitOpen(file: { readonly fd: number; readonly label: string }, visit: ExtentVisitor) {
    return this.#visit(file.fd, visit, () => file.label);
  }

  #visit(fd: number, visit: ExtentVisitor, describe: () => string): ExtentOutcome {
    const { view, address } = this.#memory;
    view.setBigUint64(FIEMAP.start, 0n, true);
    for (;;) {
      view.setBigUint64(FIEMAP.length, 0xffff_ffff_ffff_ffffn, true);
      view.setUint32(FIEMAP.flags, 0, true);
      view.setUint32(FIEMAP.mapped, 0, true);
      view.setUint32(FIEMAP.count, EXTENTS_PER_CALL, true);
      view.setUint32(FIEMAP.reserved, 0, true);
      if (sys.ioctl(fd, FS_IOC_FIEMAP, address) !== 0) {
        const errno = lastErrno();
        if (errno === ERRNO.EOPNOTSUPP || errno === ERRNO.ENOTTY) return 'unmapped';
        throw hostError(errno, 'ioctl FS_IOC_FIEMAP', describe());
      }
      const mapped = view.getUint32(FIEMAP.mapped, true);
      if (mapped === 0) return 'mapped';
      let flags = 0;
      let at = FIEMAP.headerBytes as number;
      for (let index = 0; index < mapped; index += 1, at += FIEMAP.extentBytes) {
        flags = view.getUint32(at + EXTENT.flags, true);
        visit(readU64(view, at + EXTENT.physical), readU64(view, at + EXTENT.length), flags);
      }
      if ((flags & EXTENT_LAST) !== 0) return 'mapped';
      at -= FIEMAP.extentBytes;
      const end =
        view.getBigUint64(at + EXTENT.logical, true) + view.getBigUint64(at + EXTENT.length, true);
      view.setBigUint64(FIEMAP.start, end, true);
    }
  }
}

/** Errors of opening that say something about the file, not about the host. ELOOP: it was replaced by a link meanwhile. */
const OUTCOMES: ReadonlyMap<number, ExtentOutcome> = new Map([
  [ERRNO.EACCES, 'denied'],
  [ERRNO.EPERM, 'denied'],
  [ERRNO.ENOENT, 'gone'],
  [ERRNO.ELOOP, 'gone'],
]);

function readU64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
}

function nameAt(start: number): string {
  const { bytes } = slab();
  return bytes.toString('latin1', start, bytes.indexOf(0, start));
}
