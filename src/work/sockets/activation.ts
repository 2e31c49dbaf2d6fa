import { openReadiness, UnixSocket } from '#host';
import { type Listener, listenerOf, type OwnConnection, ownConnection } from './listen.ts';

/** The first descriptor that a service manager passes. Source: sd_listen_fds(3) SD_LISTEN_FDS_START. */
const FIRST_FD = 3;

/** The socket that a service manager passed to this process. */
export type Activation =
  | { readonly kind: 'listener'; readonly listener: Listener }
  | { readonly kind: 'connection'; readonly own: OwnConnection };

/** True if the environment shows that sockets were passed to this process. Source: sd_listen_fds(3). */
export function isActivated(env: NodeJS.ProcessEnv = process.env): boolean {
  const count = /^[0-9]{1,9}$/.exec(env['LISTEN_FDS'] ?? '')?.[0];
  return Number(count ?? 0) > 0 && env['LISTEN_PID'] === String(process.pid);
}

/**
 * Takes over the first socket that was passed, listening or connected. Child processes do not inherit the sockets.
 * @param end the byte that ends a message
 * @throws HostError SYSCALL_FAILED (ENOTSOCK; EINVAL if it is no Unix stream socket)
 */
export function takeActivated(end: number, env: NodeJS.ProcessEnv = process.env): Activation {
  for (const name of ['LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES']) delete env[name];
  const socket = UnixSocket.adopt(FIRST_FD, `descriptor ${FIRST_FD}`);
  return socket.isListening
    ? { kind: 'listener', listener: listenerOf(socket, end) }
    : { kind: 'connection', own: ownConnection(socket, openReadiness(), end) };
}
