import { writeSync } from 'node:fs';
import { plainText } from '#base/bytes';
import { HostError, renderErrorText } from '#base/errors';

/** Set by the launcher where standard output is closed: Node puts /dev/null in its place, and what is said would be lost in silence. */
const CLOSED = process.env['ONECOPY_STDOUT'] === 'closed';

/** What a pipe takes at once as long as nothing is in it (Linux limits.h PIPE_BUF): writing so much waits for nobody. */
const DIRECT_BYTES_MAX = 4096;

/**
 * Standard output or standard error. The first few lines go straight to the descriptor, and most runs say no more: Node's stream, which
 * does not hold up the run for a slow reader, takes a twentieth of a short run to set up. A reader that goes away (`onecopy ls x | head`)
 * ends the run without an error. Standard output that takes nothing, because it is full or closed, ends it with one; of standard error
 * there is nobody to tell.
 */
export class Channel {
  readonly #fd: 1 | 2;
  #stream: NodeJS.WriteStream | undefined;
  #directBytesLeft = DIRECT_BYTES_MAX;

  constructor(fd: 1 | 2) {
    this.#fd = fd;
  }

  /** Node's stream, for who writes much, or wants to know about the terminal. */
  get stream(): NodeJS.WriteStream {
    if (this.#stream === undefined) {
      this.#refuseClosed();
      this.#stream = this.#fd === 1 ? process.stdout : process.stderr;
      this.#stream.on('error', (error) => this.#end(error));
    }
    return this.#stream;
  }

  /** True while something that was written has not reached its reader. */
  get isPending(): boolean {
    return (this.#stream?.writableLength ?? 0) > 0;
  }

  /** Ends the run if the reader has refused something and the stream has yet to say so. */
  settle(): void {
    if (this.#stream?.errored) this.#end(this.#stream.errored);
  }

  /**
   * Writes text for people now, or as soon as what was written before is gone. This is the gate for whatever an image, a server or a
   * file brought: what a terminal would obey is written as its number.
   */
  write(text: string): void {
    this.writeStyled(plainText(text));
  }

  /** As `write`, for text with our own escape sequences, every other part of which has been through `plainLine`. */
  writeStyled(text: string): void {
    const bytes = Buffer.from(text);
    const isDirect = this.#stream === undefined && bytes.length <= this.#directBytesLeft;
    const done = isDirect ? this.#writeNow(bytes) : 0;
    this.#directBytesLeft -= done;
    if (done < bytes.length) this.stream.write(bytes.subarray(done));
  }

  /** Returns how many bytes the reader took; fewer than all when it would have to be waited for. */
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

  /** Ends the run, because nobody takes what it says. */
  #end({ code = 'EIO' }: NodeJS.ErrnoException): void {
    if (code === 'EPIPE') process.exit();
    if (this.#fd === 2) return;
    const error = outputError(code);
    stderr.write(`onecopy: ${renderErrorText(error)}\n`);
    process.exit(error.exitCode);
  }
}

/** The error for standard output that takes nothing. */
function outputError(errno: string): HostError {
  const isFull = errno === 'ENOSPC' || errno === 'EDQUOT';
  const reason = isFull ? 'no space is left where it goes' : 'it takes nothing';
  return new HostError(
    isFull ? 'NO_SPACE' : 'SYSCALL_FAILED',
    `Cannot write to standard output: ${errno === 'EBADF' ? 'it is closed' : reason} (${errno})`,
    { errno, syscall: 'write', target: 'standard output' },
  );
}

/** Standard output. */
export const stdout = new Channel(1);
/** Standard error. */
export const stderr = new Channel(2);

/** Ends the process at once, which spares taking the heap apart piece by piece, unless a slow reader has yet to take some of our output. */
export function leave(status: number): void {
  stdout.settle();
  process.exitCode = status;
  if (!stdout.isPending && !stderr.isPending) process.exit();
}
