import { type HostFile, hasErrno, type Readiness, type UnixSocket } from '#host';

/** A descriptor that was received over a connection, or is sent over one. Disposing closes it. */
export type PassedFile = HostFile;

/** Bytes and descriptors received from the peer. */
export interface Arrival {
  /** At most one end of a message, as the last byte. */
  readonly bytes: Uint8Array;
  /** Descriptors that came with these bytes; the receiver disposes them. */
  readonly files: readonly PassedFile[];
  /** True if descriptors were lost because this process has too many open. */
  readonly lostFiles: boolean;
}

/** A connection for messages and descriptors. Disposing closes it; no call may be pending then. */
export interface Connection extends Disposable {
  /** Receives the next bytes, up to the first end of a message; undefined at the end of the stream. @throws the reason of the signal */
  receive(signal?: AbortSignal): Promise<Arrival | undefined>;
  /**
   * Sends all bytes, with descriptors, as fast as the peer reads; the descriptors stay open here.
   * @throws HostError SYSCALL_FAILED (EPIPE); the reason of the signal
   */
  send(bytes: Uint8Array, files?: readonly PassedFile[], signal?: AbortSignal): Promise<void>;
  /** Resolves when the peer has closed the connection. One wait at a time. @throws the reason of the signal */
  untilGone(signal: AbortSignal): Promise<void>;
}

/** @param end the byte that ends a message */
export function connectionOf(socket: UnixSocket, readiness: Readiness, end: number): Connection {
  return {
    async receive(signal) {
      for (;;) {
        signal?.throwIfAborted();
        const received = receiveOf(socket, end);
        if (received !== undefined) return received.bytes.length === 0 ? undefined : received;
        await readiness.wait(socket, 'read', signal);
      }
    },
    async send(bytes, files = [], signal) {
      let passed = files;
      for (let at = 0; at < bytes.length; ) {
        signal?.throwIfAborted();
        const count = socket.send(bytes.subarray(at), passed);
        at += count;
        if (count > 0) passed = [];
        else await readiness.wait(socket, 'write', signal);
      }
    },
    untilGone: (signal) => readiness.wait(socket, 'hangup', signal),
    [Symbol.dispose]: () => socket[Symbol.dispose](),
  };
}

const END: Arrival = { bytes: new Uint8Array(0), files: [], lostFiles: false };

/** A reset by the peer counts as the end of the stream. */
function receiveOf(socket: UnixSocket, end: number): Arrival | undefined {
  try {
    return socket.receive(end);
  } catch (error) {
    if (hasErrno(error, 'ECONNRESET')) return END;
    throw error;
  }
}
