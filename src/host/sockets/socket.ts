import { type ByteString, displayText } from '#base/bytes';
import { ERRNO, failSyscall, hostError } from '../ffi/errno.ts';
import { lastErrno, sys } from '../ffi/ffi.ts';
import { OPEN } from '../ffi/flags.ts';
import { type Descriptor, fdOf } from '../ffi/name.ts';
import { Dir } from '../files/dir.ts';
import { HostFile } from '../files/file.ts';
import { AF_UNIX, MESSAGE_FDS_MAX, MSG, SO, SOCK, SOCKADDR, SOL_SOCKET } from './layout.ts';
import {
  AREA,
  PIECE_BYTES_MAX,
  prepareReceive,
  prepareSend,
  putAddress,
  receivedFds,
  receivedFlags,
  socketArea,
} from './memory.ts';

const F_GETFL = 3;
const F_SETFL = 4;
const F_SETFD = 2;
const FD_CLOEXEC = 1;
/** Connections that wait for `accept`. */
const BACKLOG = 128;
const SHUT_WRITE = 1;

/** What came over a socket. */
export interface Received {
  /** Empty: the peer sends nothing more. */
  readonly bytes: Buffer;
  /** Descriptors that came with these bytes. The caller disposes them. */
  readonly files: readonly HostFile[];
  /** True if the peer sent more descriptors than fit one message; those are closed. */
  readonly lostFiles: boolean;
}

/** The process at the other end, as it was when it connected. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * A Unix socket. No call waits: where one would, it returns undefined (or 0 bytes), and `Readiness` tells when to call again. Descriptors
 * travel with the first byte of the piece they are sent with. Disposing closes the socket.
 */
export class UnixSocket extends HostFile {
  /** Two stream sockets that are connected with each other. @throws HostError SYSCALL_FAILED */
  static pair(): [UnixSocket, UnixSocket] {
    const { address, view } = socketArea();
    const type = SOCK.stream | SOCK.nonBlock | SOCK.cloexec;
    if (sys.socketpair(AF_UNIX, type, 0, address + AREA.value) !== 0) {
      failSyscall('socketpair', 'unix');
    }
    const [one, other] = [view.getInt32(AREA.value, true), view.getInt32(AREA.value + 4, true)];
    return [new UnixSocket(one, 'socket pair'), new UnixSocket(other, 'socket pair')];
  }

  /**
   * Takes over a descriptor that another program opened, for example by socket activation; it does not wait and is not inherited from now
   * on. It is not closed when it is refused.
   * @throws HostError SYSCALL_FAILED (EBADF, ENOTSOCK; EINVAL if it is no Unix stream socket)
   */
  static adopt(fd: number, label: string): UnixSocket {
    if (option(fd, SO.domain, label) !== AF_UNIX || option(fd, SO.type, label) !== SOCK.stream) {
      throw hostError(ERRNO.EINVAL, 'getsockopt', label);
    }
    const flags = sys.fcntl(fd, F_GETFL, 0);
    if (flags < 0 || sys.fcntl(fd, F_SETFL, flags | OPEN.nonBlock) < 0) failSyscall('fcntl', label);
    if (sys.fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) failSyscall('fcntl', label);
    return new UnixSocket(fd, label);
  }

  /**
   * Makes a socket file and listens on it. Its mode is 0777 without the bits of the umask.
   * @throws HostError SYSCALL_FAILED (EADDRINUSE where the name exists)
   */
  static listen(path: ByteString): UnixSocket {
    const socket = open(SOCK.stream, path);
    try {
      withAddress(path, 'bind', (address, length) => {
        if (sys.bind(socket.fd, address, length) !== 0) failSyscall('bind', socket.label);
      });
      if (sys.listen(socket.fd, BACKLOG) !== 0) failSyscall('listen', socket.label);
      return socket;
    } catch (error) {
      socket[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Connects to a socket file. Undefined while its queue of connections is full: try again later.
   * @throws HostError SYSCALL_FAILED (ENOENT; ECONNREFUSED where nobody listens)
   */
  static connect(path: ByteString): UnixSocket | undefined {
    const socket = open(SOCK.stream, path);
    try {
      return withAddress(path, 'connect', (address, length) => {
        if (sys.connect(socket.fd, address, length) === 0) return socket;
        if (lastErrno() !== ERRNO.EAGAIN) failSyscall('connect', socket.label);
        socket[Symbol.dispose]();
        return undefined;
      });
    } catch (error) {
      socket[Symbol.dispose]();
      throw error;
    }
  }

  /** True if this socket accepts connections, false if it is one. @throws HostError SYSCALL_FAILED */
  get isListening(): boolean {
    return option(this.fd, SO.acceptsConnections, this.label) !== 0;
  }

  /** The next connection; undefined while none waits. @throws HostError SYSCALL_FAILED (EMFILE: the connection keeps waiting) */
  accept(): UnixSocket | undefined {
    for (;;) {
      const fd = sys.accept4(this.fd, 0, 0, SOCK.nonBlock | SOCK.cloexec);
      if (fd >= 0) return new UnixSocket(fd, `connection of ${this.label}`);
      const errno = lastErrno();
      if (errno === ERRNO.EAGAIN) return undefined;
      // A connection that ended while it waited.
      if (errno === ERRNO.EINTR || errno === ERRNO.ECONNABORTED) continue;
      throw hostError(errno, 'accept4', this.label);
    }
  }

  /**
   * What has come, up to 64 KiB; undefined while there is nothing. What was sent without descriptors may come together with what was sent
   * with some, and never after it.
   * @param until return no bytes after the first one that is this, which leaves descriptors to the message that they were sent with
   * @throws HostError SYSCALL_FAILED (ECONNRESET)
   */
  receive(until?: number): Received | undefined {
    const { bytes } = socketArea();
    let room = PIECE_BYTES_MAX;
    if (until !== undefined) {
      const ahead = this.#receive(prepareReceive(room, false), MSG.peek);
      if (ahead === undefined) return undefined;
      const at = bytes.subarray(AREA.data, AREA.data + ahead).indexOf(until);
      room = at < 0 ? Math.max(ahead, 1) : at + 1;
    }
    const count = this.#receive(prepareReceive(room, true), MSG.cloexecFds);
    if (count === undefined) return undefined;
    return {
      bytes: Buffer.from(bytes.subarray(AREA.data, AREA.data + count)),
      files: receivedFds().map((fd) => new HostFile(fd, `descriptor of ${this.label}`)),
      lostFiles: (receivedFlags() & MSG.controlTruncated) !== 0,
    };
  }

  #receive(header: number, flags: number): number | undefined {
    for (;;) {
      const count = sys.recvmsg(this.fd, header, flags | MSG.dontWait);
      if (count >= 0) return count;
      const errno = lastErrno();
      if (errno === ERRNO.EAGAIN) return undefined;
      if (errno !== ERRNO.EINTR) throw hostError(errno, 'recvmsg', this.label);
    }
  }

  /**
   * Sends the beginning of `piece`, with descriptors; returns how many bytes went, 0 while the peer must read first. Descriptors have gone
   * when at least one byte has; they stay open here.
   * @throws HostError SYSCALL_FAILED (EPIPE; EINVAL without a byte, or for more than 253 descriptors)
   */
  send(piece: Uint8Array, files: readonly Descriptor[] = []): number {
    if (files.length > MESSAGE_FDS_MAX || (piece.length === 0 && files.length > 0)) {
      throw hostError(ERRNO.EINVAL, 'sendmsg', this.label);
    }
    if (piece.length === 0) return 0;
    for (;;) {
      const header = prepareSend(piece.subarray(0, PIECE_BYTES_MAX), files.map(fdOf));
      const count = sys.sendmsg(this.fd, header, MSG.dontWait | MSG.noSignal);
      if (count >= 0) return count;
      const errno = lastErrno();
      if (errno === ERRNO.EAGAIN) return 0;
      if (errno !== ERRNO.EINTR) throw hostError(errno, 'sendmsg', this.label);
    }
  }

  /** Says to the peer that nothing more follows; receiving goes on. */
  finishSending(): void {
    sys.syscall(SHUTDOWN, this.fd, SHUT_WRITE, 0, 0, 0, 0);
  }

  /** Who is at the other end. @throws HostError SYSCALL_FAILED */
  peer(): PeerCredentials {
    const { view } = socketArea();
    option(this.fd, SO.peerCredentials, this.label, 12);
    return {
      pid: view.getInt32(AREA.value, true),
      uid: view.getUint32(AREA.value + 4, true),
      gid: view.getUint32(AREA.value + 8, true),
    };
  }
}

/**
 * Sends one datagram to a socket file, with descriptors, and waits for nothing: false when the receiver is full.
 * @throws HostError SYSCALL_FAILED (ENOENT, ECONNREFUSED; EMSGSIZE where it is too large for one datagram)
 */
export function sendDatagram(
  path: ByteString,
  message: Uint8Array,
  files: readonly Descriptor[] = [],
): boolean {
  if (message.length > PIECE_BYTES_MAX) {
    throw hostError(ERRNO.EMSGSIZE, 'sendmsg', displayText(path));
  }
  using socket = open(SOCK.datagram, path);
  return withAddress(path, 'sendmsg', (_address, length) => {
    for (;;) {
      const header = prepareSend(message, files.map(fdOf), length);
      if (sys.sendmsg(socket.fd, header, MSG.dontWait | MSG.noSignal) >= 0) return true;
      const errno = lastErrno();
      if (errno === ERRNO.EAGAIN) return false;
      if (errno !== ERRNO.EINTR) throw hostError(errno, 'sendmsg', socket.label);
    }
  });
}

/** Number of shutdown(2) (x86-64 unistd_64.h; arm64 asm-generic/unistd.h). */
const SHUTDOWN = process.arch === 'x64' ? 48 : 210;

function open(type: number, path: ByteString): UnixSocket {
  const label = displayText(path);
  const fd = sys.socket(AF_UNIX, type | SOCK.nonBlock | SOCK.cloexec, 0);
  if (fd < 0) failSyscall('socket', label);
  return new UnixSocket(fd, label);
}

/** Calls with the address of a socket file. One whose path is too long for an address is reached through its open directory. */
function withAddress<Result>(
  path: ByteString,
  syscall: string,
  call: (address: number, length: number) => Result,
): Result {
  const at = socketArea().address + AREA.address;
  if (path.length <= SOCKADDR.pathBytesMax) return call(at, putAddress(path, syscall));
  const slash = path.lastIndexOf('/');
  using parent = Dir.open(displayText(path.slice(0, slash) as ByteString));
  return call(at, putAddress(`/proc/self/fd/${parent.fd}/${path.slice(slash + 1)}`, syscall));
}

/** An option of a socket; of a longer one the first four bytes. */
function option(fd: number, name: number, label: string, sizeBytes = 4): number {
  const { address, view } = socketArea();
  const length = AREA.value + 64;
  view.setUint32(length, sizeBytes, true);
  const into = address + AREA.value;
  if (sys.getsockopt(fd, SOL_SOCKET, name, into, address + length) !== 0) {
    failSyscall('getsockopt', label);
  }
  return view.getInt32(AREA.value, true);
}
