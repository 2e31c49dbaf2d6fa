import { setTimeout as sleep } from 'node:timers/promises';
import { type ByteString, byteStringFromText } from '#base/bytes';
import {
  Dir,
  hasErrno,
  openReadiness,
  type Readiness,
  tryFlock,
  UnixSocket,
  unlockFlock,
} from '#host';
import { type Connection, connectionOf } from './connection.ts';

/** Accepts connections. Disposing it stops listening, and removes the socket file if this process created it. */
export interface Listener extends AsyncDisposable {
  /** Accepts the next connection. @throws HostError SYSCALL_FAILED; the reason of the signal */
  accept(signal?: AbortSignal): Promise<Connection>;
}

/** Pause before a process without free descriptors accepts again, in milliseconds. */
const NO_DESCRIPTOR_MS = 100;

/**
 * Listens on a new socket file. Replaces a stale socket file, which has no listener; any other file of that name is kept.
 * @param end the byte that ends a message
 * @throws HostError SYSCALL_FAILED (EADDRINUSE)
 */
export function listenAt(path: string, end: number): Listener {
  const slash = path.lastIndexOf('/');
  using parent = Dir.open(slash < 0 ? '.' : path.slice(0, Math.max(slash, 1)));
  const name = byteStringFromText(path.slice(slash + 1));
  const socket = bind(path, parent, name);
  const made = parent.lstat(name)?.ino;
  return listenerOf(socket, end, () => {
    using folder = Dir.open(slash < 0 ? '.' : path.slice(0, Math.max(slash, 1)));
    if (made !== undefined && folder.lstat(name)?.ino === made) folder.unlink(name);
  });
}

function bind(path: string, parent: Dir, name: ByteString): UnixSocket {
  const address = byteStringFromText(path);
  try {
    return UnixSocket.listen(address);
  } catch (error) {
    if (!hasErrno(error, 'EADDRINUSE')) throw error;
    // Two processes that find the same stale file must not both replace it.
    if (!tryFlock(parent, 'exclusive')) throw error;
    try {
      if (!isStale(address, parent, name)) throw error;
      parent.unlink(name);
      return UnixSocket.listen(address);
    } finally {
      unlockFlock(parent);
    }
  }
}

function isStale(address: ByteString, parent: Dir, name: ByteString): boolean {
  if (parent.lstat(name)?.type !== 'socket') return false;
  try {
    UnixSocket.connect(address)?.[Symbol.dispose]();
    return false;
  } catch (error) {
    return hasErrno(error, 'ECONNREFUSED');
  }
}

/** Creates the listener of a socket. @param onClose called once, after the socket was closed */
export function listenerOf(socket: UnixSocket, end: number, onClose = () => {}): Listener {
  const readiness = openReadiness();
  return {
    async accept(signal) {
      for (;;) {
        signal?.throwIfAborted();
        const accepted = await acceptOf(socket);
        if (accepted !== undefined) return connectionOf(accepted, readiness, end);
        await readiness.wait(socket, 'read', signal);
      }
    },
    async [Symbol.asyncDispose]() {
      await readiness[Symbol.asyncDispose]();
      socket[Symbol.dispose]();
      onClose();
    },
  };
}

async function acceptOf(socket: UnixSocket): Promise<UnixSocket | undefined> {
  try {
    return socket.accept();
  } catch (error) {
    if (!hasErrno(error, 'EMFILE') && !hasErrno(error, 'ENFILE')) throw error;
    await sleep(NO_DESCRIPTOR_MS);
    return undefined;
  }
}

/** A connection of a client, with its own readiness. */
export interface OwnConnection extends AsyncDisposable {
  readonly connection: Connection;
}

/** A connection that is closed together with its readiness. */
export function ownConnection(
  socket: UnixSocket,
  readiness: Readiness,
  end: number,
): OwnConnection {
  return {
    connection: connectionOf(socket, readiness, end),
    async [Symbol.asyncDispose]() {
      await readiness[Symbol.asyncDispose]();
      socket[Symbol.dispose]();
    },
  };
}
