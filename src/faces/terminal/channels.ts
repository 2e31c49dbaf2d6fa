import { writeSync } from 'node:fs';
import { plainText } from '#base/bytes';
import { HostError, renderErrorText } from '#base/errors';

/** Set by the launcher if standard output is closed: Node then opens /dev/null in its place, and output would be lost silently. */
const CLOSED = process.env['ONECOPY_STDOUT'] === 'closed';

/** Size of a write to an empty pipe that never blocks (Linux limits.h PIPE_BUF). */
const DIRECT_BYTES_MAX = 4096;

/**
 * Standard output or standard error. The first few lines are written directly to the descriptor, because creating the stream of Node takes
 * a twentieth of a short run. Longer output uses the stream, which does not block for a slow reader. If the reader goes away (`onecopy ls x
 * | head`), the run ends without an error. If standard output is full or closed, the run ends with an error. Errors of standard error are
 * ignored.
 */
export class Channel {
  readonly #fd: 1 | 2;
  #stream: NodeJS.WriteStream | undefined;
  #directBytesLeft = DIRECT_BYTES_MAX;

  constructor(fd: 1 | 2) {
    this.#fd = fd;
  }

  /** The stream of Node, for long output, and for properties of the terminal. */
  get stream(): NodeJS.WriteStream {
    if (this.#stream === undefined) {
      this.#refuseClosed();
      this.#stream = this.#fd === 1 ? process.stdout : process.stderr;
      this.#stream.on('error', (error) => this.#end(error));
    }
    return this.#stream;
  }

  /** True while written data has not reached the reader. */
  get isPending(): boolean {
    return (this.#stream?.writableLength ?? 0) > 0;
  }

  /** Ends the run if a write failed and the stream has not reported it yet. */
  settle(): void {
    if (this.#stream?.errored) this.#end(this.#stream.errored);
  }

  /**
   * Writes text now, or after the output that is still queued. This is the gate for text from an image, a server or a file: characters that
   * a terminal interprets are escaped.
   */
  write(text: string): void {
    this.writeStyled(plainText(text));
  }

  /** As `write`, for text with escape sequences of this program; all other parts must have passed `plainLine`. */
  writeStyled(text: string): void {
    const bytes = Buffer.from(text);
    const isDirect = this.#stream === undefined && bytes.length <= this.#directBytesLeft;
    const done = isDirect ? this.#writeNow(bytes) : 0;
    this.#directBytesLeft -= done;
    if (done < bytes.length) this.stream.write(bytes.subarray(done));
  }

  /** Returns the number of bytes written; fewer than all if the write would block. */
  #writeNow(bytes: Uint8Array): number {
    let done = 0;
    this.#refuseClosed();
    try {
      while (done < bytes.length) done += writeSync(this.#fd, bytes, done);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EAGAIN') this.#end(error as NodeJS.ErrnoException);
    }
    return done;
  }

  #refuseClosed(): void {
    if (this.#fd === 1 && CLOSED) this.#end({ name: 'Error', message: '', code: 'EBADF' });
  }

  /** Ends the run, because its output cannot be written. */
  #end({ code = 'EIO' }: NodeJS.ErrnoException): void {
    if (code === 'EPIPE') process.exit();
    if (this.#fd === 2) return;
    const error = outputError(code);
    stderr.write(`${renderOutputError(error)}\n`);
    process.exit(error.exitCode);
  }
}

/** The error for standard output that cannot be written. */
function outputError(errno: string): HostError {
  const isFull = errno === 'ENOSPC' || errno === 'EDQUOT';
  const reason = isFull ? 'no space is left on the device' : 'the write failed';
  return new HostError(
    isFull ? 'NO_SPACE' : 'SYSCALL_FAILED',
    `Cannot write to standard output: ${errno === 'EBADF' ? 'it is closed' : reason} (${errno})`,
    { errno, syscall: 'write', target: 'standard output' },
  );
}

let renderOutputError = (error: HostError): string => `onecopy: ${renderErrorText(error)}`;

/** Sets the form in which this program reports that standard output cannot be written. */
export function reportOutputErrors(render: (error: HostError) => string): void {
  renderOutputError = render;
}

/** Standard output. */
export const stdout = new Channel(1);
/** Standard error. */
export const stderr = new Channel(2);

/** Exits immediately, which avoids the cleanup of the heap, unless output is still queued for a slow reader. */
export function leave(status: number): void {
  stdout.settle();
  process.exitCode = status;
  if (!stdout.isPending && !stderr.isPending) process.exit();
}
