import { FormatError } from '#base/errors';
import { NUMBER_BITS } from './layout.ts';

/** A FormatError about a tar-diff. */
export function invalidDiff(offset: number, what: string, reason: string): FormatError {
  return new FormatError(
    'LAYER_DIFF_INVALID',
    `Cannot apply the tar-diff at ${offset}: ${what}: ${reason}`,
    { offset, what, reason },
  );
}

/** Reads the operations of a tar-diff from pieces of any size. Offsets count inflated bytes. */
export class PieceReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);
  #at = 0;
  #before = 0;

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#before + this.#at;
  }

  async #fill(): Promise<boolean> {
    while (this.#at === this.#piece.length) {
      this.#before += this.#piece.length;
      this.#at = 0;
      const { value, done } = await this.#pieces.next();
      this.#piece = done === true ? new Uint8Array(0) : value;
      if (done === true) return false;
    }
    return true;
  }

  /** The next byte; undefined at the end. */
  async byte(): Promise<number | undefined> {
    if (!(await this.#fill())) return undefined;
    const byte = this.#piece[this.#at] as number;
    this.#at += 1;
    return byte;
  }

  /** A number in LEB128. @throws FormatError LAYER_DIFF_INVALID above the safe integers, or at the end */
  async number(what: string): Promise<number> {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = await this.byte();
      if (byte === undefined)
        throw invalidDiff(this.offset, what, 'expected a number, found the end');
      value |= BigInt(byte & 0x7f) << shift;
      if (shift >= BigInt(NUMBER_BITS) || value > Number.MAX_SAFE_INTEGER)
        throw invalidDiff(this.offset, what, 'the number is too large');
      if (byte < 0x80) return Number(value);
    }
  }

  /** The rest of the current piece, or the next one; undefined at the end. */
  async piece(): Promise<Uint8Array | undefined> {
    if (!(await this.#fill())) return undefined;
    const piece = this.#piece.subarray(this.#at);
    this.#at = this.#piece.length;
    return piece;
  }

  /** This many bytes in pieces, which the next read overwrites. @throws FormatError LAYER_DIFF_INVALID if there are fewer */
  async *take(lengthBytes: number, what: string): AsyncGenerator<Uint8Array> {
    for (let left = lengthBytes; left > 0; ) {
      if (!(await this.#fill())) {
        const found = lengthBytes - left;
        throw invalidDiff(this.offset, what, `expected ${lengthBytes} bytes, found ${found}`);
      }
      const piece = this.#piece.subarray(this.#at, this.#at + left);
      this.#at += piece.length;
      left -= piece.length;
      yield piece;
    }
  }

  /** This many bytes at once; the caller must have checked the number against a limit. @throws as `take` */
  async bytes(lengthBytes: number, what: string): Promise<Uint8Array> {
    const whole: Uint8Array[] = [];
    for await (const piece of this.take(lengthBytes, what)) whole.push(piece.slice());
    return Buffer.concat(whole);
  }
}
