import { ERRNO, failSyscall, hostError } from '../ffi/errno.ts';
import { lastErrno, sys } from '../ffi/ffi.ts';
import { OPEN } from '../ffi/flags.ts';
import { type Descriptor, fdOf, labelOf } from '../ffi/name.ts';
import { HostFile } from '../files/file.ts';
import { AREA, socketArea } from './memory.ts';

/** Number of pipe2(2) (x86-64 unistd_64.h; arm64 asm-generic/unistd.h). */
const PIPE2 = process.arch === 'x64' ? 293 : 59;

const F_GETFL = 3;
const F_SETFL = 4;

/** The two ends of a pipe. */
export interface Pipe {
  readonly reader: HostFile;
  readonly writer: HostFile;
}

/**
 * Creates a pipe to another process. Child processes inherit neither end.
 * @param own the end that stays here: it never waits, the other one does
 * @throws HostError SYSCALL_FAILED
 */
export function openPipe(own: keyof Pipe): Pipe {
  const { address, view } = socketArea();
  if (sys.syscall(PIPE2, address + AREA.value, OPEN.cloexec, 0, 0, 0, 0) !== 0) {
    failSyscall('pipe2', 'pipe');
  }
  const fds = {
    reader: view.getInt32(AREA.value, true),
    writer: view.getInt32(AREA.value + 4, true),
  };
  const pipe = {
    reader: new HostFile(fds.reader, 'pipe'),
    writer: new HostFile(fds.writer, 'pipe'),
  };
  const flags = sys.fcntl(fds[own], F_GETFL, 0);
  if (flags < 0 || sys.fcntl(fds[own], F_SETFL, flags | OPEN.nonBlock) < 0) {
    for (const end of Object.values(pipe)) end[Symbol.dispose]();
    failSyscall('fcntl', 'pipe');
  }
  return pipe;
}

/** Reads what has come; undefined while there is nothing, 0 at the end. @throws HostError SYSCALL_FAILED */
export function tryRead(file: Descriptor, into: Uint8Array): number | undefined {
  return settle(file, 'read', () => sys.read(fdOf(file), into, into.length));
}

/** Writes the beginning of `bytes`; undefined while the reader must read first. @throws HostError SYSCALL_FAILED (EPIPE without a reader) */
export function tryWrite(file: Descriptor, bytes: Uint8Array): number | undefined {
  return settle(file, 'write', () => sys.write(fdOf(file), bytes, bytes.length));
}

function settle(file: Descriptor, syscall: string, call: () => number): number | undefined {
  for (;;) {
    const count = call();
    if (count >= 0) return count;
    const errno = lastErrno();
    if (errno === ERRNO.EAGAIN) return undefined;
    if (errno !== ERRNO.EINTR) throw hostError(errno, syscall, labelOf(file));
  }
}
