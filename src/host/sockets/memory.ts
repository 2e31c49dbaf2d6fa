import { ERRNO, hostError } from '../ffi/errno.ts';
import { allocatePinned, type Slab } from '../ffi/ffi.ts';
import {
  AF_UNIX,
  CMSGHDR,
  MESSAGE_FDS_MAX,
  MSGHDR,
  SCM_RIGHTS,
  SOCKADDR,
  SOL_SOCKET,
} from './layout.ts';

/** Most bytes that one receive or send moves. */
export const PIECE_BYTES_MAX = 65536;

const CONTROL_BYTES = CMSGHDR.size + ((MESSAGE_FDS_MAX * 4 + 7) & ~7);

/** Offsets in the pinned memory of sockets. */
export const AREA = {
  header: 0,
  vector: 64,
  address: 128,
  value: 256,
  control: 512,
  data: 2560,
} as const;
const AREA_BYTES = AREA.data + PIECE_BYTES_MAX;

let area: Slab | undefined;

/** The pinned memory of this thread for messages of sockets. */
export function socketArea(): Slab {
  area ??= allocatePinned(AREA_BYTES);
  return area;
}

/** Writes the address of a socket file; returns its length. @throws HostError SYSCALL_FAILED (ENAMETOOLONG, EINVAL) */
export function putAddress(path: string, syscall: string): number {
  const { bytes, view } = socketArea();
  if (path === '' || path.includes('\0')) throw hostError(ERRNO.EINVAL, syscall, path);
  if (path.length > SOCKADDR.pathBytesMax) throw hostError(ERRNO.ENAMETOOLONG, syscall, path);
  view.setUint16(AREA.address, AF_UNIX, true);
  bytes.write(path, AREA.address + SOCKADDR.path, 'latin1');
  bytes[AREA.address + SOCKADDR.path + path.length] = 0;
  return SOCKADDR.path + path.length + 1;
}

/** Writes the header of a message of `sizeBytes`, with room for `controlBytes`; returns its address. */
function putHeader(sizeBytes: number, controlBytes: number, addressBytes: number): number {
  const { address, bytes, view } = socketArea();
  bytes.fill(0, AREA.header, AREA.header + MSGHDR.size);
  const pointer = (at: number, to: number) =>
    view.setBigUint64(AREA.header + at, BigInt(address + to), true);
  if (addressBytes > 0) {
    pointer(MSGHDR.name, AREA.address);
    view.setUint32(AREA.header + MSGHDR.nameBytes, addressBytes, true);
  }
  pointer(MSGHDR.vector, AREA.vector);
  view.setBigUint64(AREA.header + MSGHDR.vectorCount, 1n, true);
  if (controlBytes > 0) {
    pointer(MSGHDR.control, AREA.control);
    view.setBigUint64(AREA.header + MSGHDR.controlBytes, BigInt(controlBytes), true);
  }
  view.setBigUint64(AREA.vector, BigInt(address + AREA.data), true);
  view.setBigUint64(AREA.vector + 8, BigInt(sizeBytes), true);
  return address + AREA.header;
}

/** Prepares the memory for a message that comes in, with or without descriptors; returns the address of its header. */
export function prepareReceive(sizeBytes: number, takesFds: boolean): number {
  return putHeader(sizeBytes, takesFds ? CONTROL_BYTES : 0, 0);
}

/** Flags of the message that came (MSG_…). */
export function receivedFlags(): number {
  return socketArea().view.getInt32(AREA.header + MSGHDR.flags, true);
}

/** The descriptors that came with the message. */
export function receivedFds(): number[] {
  const { view } = socketArea();
  const fds: number[] = [];
  const sizeBytes = Number(view.getBigUint64(AREA.header + MSGHDR.controlBytes, true));
  for (let at = 0; at + CMSGHDR.size <= sizeBytes; ) {
    const here = AREA.control + at;
    const length = Number(view.getBigUint64(here + CMSGHDR.length, true));
    if (length < CMSGHDR.size || length > sizeBytes - at) break;
    const isRights =
      view.getInt32(here + CMSGHDR.level, true) === SOL_SOCKET &&
      view.getInt32(here + CMSGHDR.type, true) === SCM_RIGHTS;
    for (let data = CMSGHDR.size; isRights && data + 4 <= length; data += 4) {
      fds.push(view.getInt32(here + data, true));
    }
    at += (length + 7) & ~7;
  }
  return fds;
}

/** Puts a message with its descriptors into the memory; returns the address of its header. */
export function prepareSend(piece: Uint8Array, fds: readonly number[], addressBytes = 0): number {
  const { bytes, view } = socketArea();
  bytes.set(piece, AREA.data);
  if (fds.length === 0) return putHeader(piece.length, 0, addressBytes);
  const length = CMSGHDR.size + fds.length * 4;
  view.setBigUint64(AREA.control + CMSGHDR.length, BigInt(length), true);
  view.setInt32(AREA.control + CMSGHDR.level, SOL_SOCKET, true);
  view.setInt32(AREA.control + CMSGHDR.type, SCM_RIGHTS, true);
  for (const [index, fd] of fds.entries()) {
    view.setInt32(AREA.control + CMSGHDR.size + index * 4, fd, true);
  }
  return putHeader(piece.length, (length + 7) & ~7, addressBytes);
}
