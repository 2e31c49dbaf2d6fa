/** Numbers and structures of Linux sockets; the same on x86-64 and arm64 unless stated. */

/** Linux socket.h, net.h: families, types and flags. */
export const AF_UNIX = 1;
export const SOCK = { stream: 1, datagram: 2, nonBlock: 0x800, cloexec: 0x80000 } as const;

/** asm-generic/socket.h. */
export const SOL_SOCKET = 1;
export const SO = { type: 3, peerCredentials: 17, acceptsConnections: 30, domain: 39 } as const;

/** Linux socket.h: flags of sendmsg and recvmsg. */
export const MSG = {
  peek: 0x2,
  controlTruncated: 0x8,
  dontWait: 0x40,
  noSignal: 0x4000,
  cloexecFds: 0x40000000,
} as const;

/** Ancillary data that carries descriptors (Linux socket.h). */
export const SCM_RIGHTS = 1;
/** Most descriptors of one message (Linux scm.h SCM_MAX_FD). */
export const MESSAGE_FDS_MAX = 253;

/**
 * struct msghdr (56 bytes): name (pointer, at 0), name length (u32, at 8), iovec (pointer, at 16), iovec count (u64, at 24), control
 * (pointer, at 32), control length (u64, at 40), flags (s32, at 48).
 */
export const MSGHDR = {
  name: 0,
  nameBytes: 8,
  vector: 16,
  vectorCount: 24,
  control: 32,
  controlBytes: 40,
  flags: 48,
  size: 56,
} as const;

/** struct cmsghdr (16 bytes): length with this header (u64), level (s32, at 8), type (s32, at 12); then the data, padded to 8 bytes. */
export const CMSGHDR = { length: 0, level: 8, type: 12, size: 16 } as const;

/** struct sockaddr_un: family (u16), then the path (Linux un.h UNIX_PATH_MAX 108, with its NUL). */
export const SOCKADDR = { family: 0, path: 2, pathBytesMax: 107, size: 110 } as const;

/** Linux eventpoll.h. */
export const EPOLL = {
  add: 1,
  remove: 2,
  change: 3,
  cloexec: 0x80000,
  readable: 0x1,
  writable: 0x4,
  failed: 0x8,
  hungUp: 0x10,
  oneShot: 0x40000000,
} as const;

/** struct epoll_event: events (u32), data (u64); packed on x86-64 (12 bytes), else aligned (16 bytes). */
export const EPOLL_EVENT =
  process.arch === 'x64' ? ({ data: 4, size: 12 } as const) : ({ data: 8, size: 16 } as const);
