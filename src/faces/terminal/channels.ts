import { writeSync } from 'node:fs';
import { plainText } from '#base/bytes';

/** What a pipe takes at once as long as nothing is in it (Linux limits.h PIPE_BUF): writing so much waits for nobody. */
const DIRECT_BYTES_MAX = 4096;

/**
 * Standard output or standard error. The first few lines go straight to the descriptor, and most runs say no more: Node's stream, which
 * does not hold up the run for a slow reader, takes a twentieth of a short run to set up. A reader that goes away (`onecopy ls x | head`)
 * ends the run without an error.
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
      this.#stream = this.#fd === 1 ? process.stdout : process.stderr;
      this.#stream.on('error', leaveQuietly);
    }
    return this.#stream;
  }

  /** True while something that was written has not reached its reader. */
  get isPending(): boolean {
    return (this.#stream?.writableLength ?? 0) > 0;
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
    try {
      while (done < bytes.length) done += writeSync(this.#fd, bytes, done);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EAGAIN') leaveQuietly(error as NodeJS.ErrnoException);
    }
    return done;
  }
}

/** Standard output. */
export const stdout = new Channel(1);
/** Standard error. */
export const stderr = new Channel(2);

/** Ends the process at once, which spares taking the heap apart piece by piece, unless a slow reader has yet to take some of our output. */
export function leave(status: number): void {
  process.exitCode = status;
  if (!stdout.isPending && !stderr.isPending) process.exit();
}

function leaveQuietly(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
}
