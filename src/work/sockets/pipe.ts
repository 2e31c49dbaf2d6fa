import { setTimeout as sleep } from 'node:timers/promises';
import { TransportError } from '#base/errors';
import {
  hasErrno,
  OPEN,
  openPipe,
  openReadiness,
  type Readiness,
  reopen,
  tryRead,
  tryWrite,
} from '#host';
import type { PassedFile } from './connection.ts';

/** Size of the pieces that are read from a pipe, in bytes: that of the buffer of a pipe. */
const PIECE_BYTES = 65536;

/** Options of a transfer. */
export interface TransferOptions {
  readonly signal: AbortSignal;
  /** Maximum time without progress of the other side, in milliseconds. */
  readonly silenceMs: number;
}

/** The sending half of a pipe whose other half goes to a client. Disposing closes it. */
export interface PipeWriter extends AsyncDisposable {
  /** Writes all bytes. @throws TransportError TIMEOUT; HostError SYSCALL_FAILED (EPIPE without a reader); the reason of the signal */
  write(bytes: Uint8Array, options: TransferOptions): Promise<void>;
}

/** A pipe to a client: this process writes it. */
export function openPipeToClient(): {
  readonly reader: PassedFile;
  readonly writer: PipeWriter;
} {
  const { reader, writer } = openPipe('writer');
  const readiness = openReadiness();
  const write = async (bytes: Uint8Array, options: TransferOptions) => {
    for (let at = 0; at < bytes.length; ) {
      options.signal.throwIfAborted();
      const count = tryWrite(writer, at === 0 ? bytes : bytes.subarray(at));
      if (count === undefined) await within(readiness, writer, 'write', options);
      else at += count;
    }
  };
  return { reader, writer: { write, [Symbol.asyncDispose]: () => close(readiness, writer) } };
}

/** A pipe that a client keeps open as long as it needs something. */
export interface KeepAlive extends AsyncDisposable {
  /** The half for the client. */
  readonly held: PassedFile;
  /** Resolves when all copies of `held` are closed. @throws TransportError TIMEOUT; the reason of the signal */
  untilReleased(options: TransferOptions): Promise<void>;
}

/** Creates a keep-alive pipe. */
export function openKeepAlive(): KeepAlive {
  const { reader, writer } = openPipe('reader');
  const readiness = openReadiness();
  return {
    held: writer,
    untilReleased: (options) => within(readiness, reader, 'hangup', options),
    [Symbol.asyncDispose]: () => close(readiness, reader),
  };
}

/**
 * Reads a stream from a descriptor that a client passed: a pipe, or a file from its start. Pieces are overwritten by the next ones.
 * @throws TransportError TIMEOUT; HostError SYSCALL_FAILED (ENXIO for a socket); the reason of the signal
 */
export async function* readPassed(
  passed: PassedFile,
  options: TransferOptions,
): AsyncGenerator<Uint8Array> {
  // Whether reads wait belongs to all descriptors of a pipe, so the pipe is opened anew.
  using file = reopen(passed, OPEN.read | OPEN.nonBlock);
  const readiness = openReadiness();
  try {
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    for (;;) {
      options.signal.throwIfAborted();
      const count = tryRead(file, piece);
      if (count === 0) return;
      if (count === undefined) await within(readiness, file, 'read', options);
      else yield piece.subarray(0, count);
    }
  } finally {
    await readiness[Symbol.asyncDispose]();
  }
}

async function within(
  readiness: Readiness,
  file: PassedFile,
  direction: 'read' | 'write' | 'hangup',
  { signal, silenceMs }: TransferOptions,
): Promise<void> {
  const over = new AbortController();
  const late = sleep(silenceMs, undefined, { signal: over.signal, ref: false }).then(() => {
    over.abort(
      new TransportError(
        'TIMEOUT',
        `Cannot transfer a layer: the client did nothing for ${silenceMs / 1000} s`,
        { url: file.label, retryable: true },
      ),
    );
  });
  late.catch(() => {});
  try {
    await readiness.wait(file, direction, AbortSignal.any([signal, over.signal]));
  } finally {
    over.abort();
  }
}

async function close(readiness: Readiness, file: PassedFile): Promise<void> {
  await readiness[Symbol.asyncDispose]();
  file[Symbol.dispose]();
}

/** True for an error that means that nobody reads the pipe any more. */
export function isWithoutReader(error: unknown): boolean {
  return hasErrno(error, 'EPIPE');
}
