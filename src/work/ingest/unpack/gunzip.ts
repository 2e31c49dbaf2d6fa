import { crc32 } from 'node:zlib';
import type { Inflater } from '#host';

/** Size of the output pieces, in bytes: a piece is still in the cache of the processor when it is hashed. */
const PIECE_BYTES = 256 << 10;
/** First bytes of a member, and its one compression method, deflate. Source: RFC 1952 section 2.3.1. */
const MAGIC = 0x8b1f;
const METHOD = 8;
/** Offsets of the method and the flags in the fixed part of a header, and its length, in bytes. Source: RFC 1952 section 2.3. */
const HEADER = { magic: 0, method: 2, flags: 3, sizeBytes: 10 } as const;
/** Bits of the flags. Source: RFC 1952 section 2.3.1. */
const FLAG = { headerCrc: 0x02, extra: 0x04, name: 0x08, comment: 0x10, reserved: 0xe0 } as const;
/** CRC-32 and size modulo 2^32, little-endian. Source: RFC 1952 section 2.3.1. */
const TRAILER = { crc: 0, size: 4, sizeBytes: 8 } as const;
const EMPTY = new Uint8Array(0);

/** Returns memory for one piece of up to this size, after the previous piece was consumed. */
export type RoomFor = (lengthBytes: number) => Promise<Uint8Array>;

/** Returns the same memory each time. */
function ownRoom(): RoomFor {
  const room = Buffer.allocUnsafeSlow(PIECE_BYTES);
  return async () => room;
}

/**
 * Decompresses gzip with any number of members with an inflater of the host, in this thread. It refuses the same inputs as zlib: a wrong
 * header, checksum or size, a truncated stream, and data after the last member. The only exception are incomplete codes whose unused
 * patterns do not occur; no compressor creates them. A piece is overwritten by the next one; memory is bounded.
 * @param invalid creates the error for a reason, in the words of zlib
 */
export async function* gunzip(
  source: AsyncIterable<Uint8Array>,
  inflater: Inflater,
  invalid: (reason: string) => Error,
  roomFor: RoomFor = ownRoom(),
): AsyncGenerator<Uint8Array> {
  const pieces = source[Symbol.asyncIterator]();
  const input = new GzipInput(pieces, invalid);
  let output = await roomFor(PIECE_BYTES);
  let filled = 0;
  try {
    do {
      await readHeader(input, invalid);
      inflater.begin();
      let memberBytes = 0;
      for (let state = 'more'; state !== 'end'; ) {
        if (filled === output.length) {
          yield output;
          output = await roomFor(PIECE_BYTES);
          filled = 0;
        }
        const step = inflater.step(input.rest, output.subarray(filled));
        state = step.state;
        if (state === 'damaged') throw invalid(step.reason ?? 'damaged');
        input.advance(step.usedBytes);
        filled += step.madeBytes;
        memberBytes += step.madeBytes;
        if (state === 'more' && filled < output.length) await input.demand();
      }
      await checkTrailer(input, inflater.crc32, memberBytes, invalid);
    } while (await input.fill());
    if (filled > 0) yield output.subarray(0, filled);
  } finally {
    await pieces.return?.();
  }
}

async function readHeader(input: GzipInput, invalid: (reason: string) => Error): Promise<void> {
  input.headerCrc = 0;
  const fixed = await input.take(HEADER.sizeBytes);
  if (fixed.readUInt16LE(HEADER.magic) !== MAGIC) throw invalid('incorrect header check');
  if (fixed[HEADER.method] !== METHOD) throw invalid('unknown compression method');
  const flags = fixed[HEADER.flags] ?? 0;
  if ((flags & FLAG.reserved) !== 0) throw invalid('unknown header flags set');
  if ((flags & FLAG.extra) !== 0) await input.skip((await input.take(2)).readUInt16LE());
  if ((flags & FLAG.name) !== 0) await input.skipString();
  if ((flags & FLAG.comment) !== 0) await input.skipString();
  if ((flags & FLAG.headerCrc) === 0) return;
  const found = input.headerCrc % 0x10000;
  if ((await input.take(2)).readUInt16LE() !== found) throw invalid('header crc mismatch');
}

async function checkTrailer(
  input: GzipInput,
  crc: number,
  memberBytes: number,
  invalid: (reason: string) => Error,
): Promise<void> {
  const trailer = await input.take(TRAILER.sizeBytes);
  if (trailer.readUInt32LE(TRAILER.crc) !== crc) throw invalid('incorrect data check');
  if (trailer.readUInt32LE(TRAILER.size) !== memberBytes % 2 ** 32) {
    throw invalid('incorrect length check');
  }
}

/** The bytes of a gzip file in order, from pieces of any size. */
class GzipInput {
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #invalid: (reason: string) => Error;
  #piece: Uint8Array = EMPTY;
  #at = 0;
  /** CRC-32 of the bytes that were read or skipped since it was set. */
  headerCrc = 0;

  constructor(pieces: AsyncIterator<Uint8Array>, invalid: (reason: string) => Error) {
    this.#pieces = pieces;
    this.#invalid = invalid;
  }

  /** The rest of the current piece. */
  get rest(): Uint8Array {
    return this.#piece.subarray(this.#at);
  }

  /** Skips bytes of the current piece, or returns some. */
  advance(bytes: number): void {
    this.#at += bytes;
  }

  /** Ensures that `rest` has bytes; false at the end. */
  async fill(): Promise<boolean> {
    while (this.#at >= this.#piece.length) {
      const next = await this.#pieces.next();
      if (next.done === true) return false;
      this.#piece = next.value;
      this.#at = 0;
    }
    return true;
  }

  /** As `fill`, but throws at the end. */
  async demand(): Promise<void> {
    if (!(await this.fill())) throw this.#invalid('unexpected end of file');
  }

  /** A few bytes. */
  async take(count: number): Promise<Buffer> {
    const taken = Buffer.alloc(count);
    for (let length = 0; length < count; ) {
      length += await this.#pass((rest) => rest.copy(taken, length));
    }
    return taken;
  }

  async skip(count: number): Promise<void> {
    for (let left = count; left > 0; ) {
      left -= await this.#pass((rest) => Math.min(rest.length, left));
    }
  }

  /** Skips bytes up to and including a NUL. */
  async skipString(): Promise<void> {
    let end = -1;
    const untilNul = (rest: Buffer) => {
      end = rest.indexOf(0);
      return end < 0 ? rest.length : end + 1;
    };
    while (end < 0) await this.#pass(untilNul);
  }

  /** Skips the number of bytes of the current piece that `measure` returns. */
  async #pass(measure: (rest: Buffer) => number): Promise<number> {
    await this.demand();
    const { rest } = this;
    const count = measure(Buffer.from(rest.buffer, rest.byteOffset, rest.length));
    this.headerCrc = crc32(rest.subarray(0, count), this.headerCrc);
    this.advance(count);
    return count;
  }
}
