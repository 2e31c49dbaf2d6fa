import { constants, zstdDecompressSync } from 'node:zlib';
import type { ObjectId } from '#base/digest';
import { FormatError } from '#base/errors';
import type { RandomReader } from '#base/flow';
import { CHUNK_HEADER_BYTES, CHUNKS_MAX } from './layout.ts';
import { checkInFile, type Range, readRange, type SplitstreamFault, truncated } from './range.ts';
import type { SplitstreamPart } from './reader.ts';
import { hasZstdHandle, ZstdHandle } from './zstd-handle.ts';

/** Compressed bytes read from the file at once. */
const READ_BYTES = 128 * 1024;

/**
 * An empty skippable frame, fed after the section. Node silently drops up to three trailing bytes that begin another frame, unless
 * bytes follow that do not continue that frame. Source: RFC 8878 section 3.1.2.
 */
const EMPTY_FRAME = Buffer.from('502a4d1800000000', 'hex');

/** Input of `decodeBody`. */
export interface BodySource {
  readonly reader: RandomReader;
  readonly body: Range;
  /** Number of entries in the object table, and the id of each. */
  readonly objectCount: number;
  readonly objectIdAt: (index: number) => ObjectId;
  /** Declared size of the whole stream: no body may hold more inline bytes. */
  readonly sizeBytes: number;
}

/**
 * Decompresses a section; each piece is overwritten by the next. Memory is constant where Node has a synchronous streaming
 * decoder, otherwise at most `limitBytes`.
 * @throws FormatError SPLITSTREAM_TRUNCATED, SPLITSTREAM_COMPRESSION
 */
export function* inflateRange(
  reader: RandomReader,
  range: Range,
  limitBytes: number,
  streaming = hasZstdHandle(),
): Generator<Uint8Array> {
  checkInFile(reader, range);
  if (range.start === range.end) throw truncated(`${range.what} frame`, range.start, 1, 0);
  if (streaming) yield* inflateStreaming(reader, range);
  else yield inflateWhole(reader, range, limitBytes);
}

function* inflateStreaming(reader: RandomReader, range: Range): Generator<Uint8Array> {
  using handle = ZstdHandle.decompressor();
  // Feed the last byte alone, with the end mark: only then does Node report a truncated frame.
  for (let at = range.start; at <= range.end; ) {
    const last = at >= range.end - 1;
    const end = last ? at + 1 : Math.min(at + READ_BYTES, range.end - 1);
    const input =
      at === range.end ? EMPTY_FRAME : readRange(reader, { start: at, end, what: range.what });
    const output = handle.run(input, last);
    for (;;) {
      let next: IteratorResult<Uint8Array>;
      try {
        next = output.next();
      } catch (error) {
        throw compressionError(range, at, error);
      }
      if (next.done === true) break;
      yield next.value;
    }
    at = end;
  }
}

function inflateWhole(reader: RandomReader, range: Range, limitBytes: number): Uint8Array {
  try {
    return zstdDecompressSync(readRange(reader, range), {
      maxOutputLength: limitBytes,
      rejectGarbageAfterEnd: true,
      params: { [constants.ZSTD_d_windowLogMax]: 27 },
    });
  } catch (error) {
    throw compressionError(range, range.start, error);
  }
}

function compressionError(range: Range, offset: number, cause: unknown): FormatError {
  const reason = cause instanceof Error ? cause.message : 'unknown failure';
  return new FormatError(
    'SPLITSTREAM_COMPRESSION',
    `Cannot decompress ${range.what} of splitstream at ${offset}: ${reason}`,
    { offset, what: range.what, reason },
    { cause },
  );
}

/** Splits the decompressed body into its chunks. Source: core formats section 3.3. */
export function* decodeBody(source: BodySource): Generator<SplitstreamPart> {
  const limitBytes = source.sizeBytes + CHUNK_HEADER_BYTES * CHUNKS_MAX;
  const state = new ChunkState(source);
  for (const piece of inflateRange(source.reader, source.body, limitBytes)) {
    let at = 0;
    while (at < piece.length) {
      if (state.inlineLeft > 0) {
        const bytes = piece.subarray(at, at + state.inlineLeft);
        at += bytes.length;
        state.inlineLeft -= bytes.length;
        state.offset += bytes.length;
        yield { kind: 'inline', bytes, moreBytes: state.inlineLeft };
        continue;
      }
      at += state.fillHeader(piece, at);
      const index = state.takeHeader();
      if (index === undefined) continue;
      if (index >= source.objectCount) state.fail('SPLITSTREAM_REF_INDEX', state.badIndex(index));
      yield { kind: 'external', id: source.objectIdAt(index), index };
    }
  }
  state.checkEnd();
}

/** Parses the eight bytes before a chunk, which may arrive in pieces. */
class ChunkState {
  inlineLeft = 0;
  /** Offset in the decompressed body. */
  offset = 0;
  readonly #source: BodySource;
  readonly #header = Buffer.alloc(CHUNK_HEADER_BYTES);
  #headerBytes = 0;
  #chunks = 0;
  #inlineBytes = 0;

  constructor(source: BodySource) {
    this.#source = source;
  }

  /** Copies header bytes from a piece; returns the number of bytes copied. */
  fillHeader(piece: Uint8Array, at: number): number {
    const bytes = piece.subarray(at, at + CHUNK_HEADER_BYTES - this.#headerBytes);
    this.#header.set(bytes, this.#headerBytes);
    this.#headerBytes += bytes.length;
    this.offset += bytes.length;
    return bytes.length;
  }

  /** Table index of a complete header; undefined for an incomplete header and for an inline chunk, whose bytes come next. */
  takeHeader(): number | undefined {
    if (this.#headerBytes < CHUNK_HEADER_BYTES) return undefined;
    this.#headerBytes = 0;
    this.#chunks += 1;
    if (this.#chunks > CHUNKS_MAX) {
      this.fail('SPLITSTREAM_BODY_TOO_LARGE', `expected at most ${CHUNKS_MAX} chunks, found more`);
    }
    const value = this.#header.readInt32LE(4) * 2 ** 32 + this.#header.readUInt32LE(0);
    if (value >= 0) return value;
    this.#inlineBytes -= value;
    if (this.#inlineBytes > this.#source.sizeBytes) {
      const reason = `expected at most ${this.#source.sizeBytes} inline bytes, found ${this.#inlineBytes}`;
      this.fail('SPLITSTREAM_BODY_TOO_LARGE', reason);
    }
    this.inlineLeft = -value;
    return undefined;
  }

  badIndex(index: number): string {
    return `expected an index below ${this.#source.objectCount}, found ${index}`;
  }

  checkEnd(): void {
    if (this.#headerBytes > 0) {
      throw truncated('chunk header', this.offset, CHUNK_HEADER_BYTES, this.#headerBytes);
    }
    if (this.inlineLeft > 0) throw truncated('inline chunk', this.offset, this.inlineLeft, 0);
  }

  fail(code: SplitstreamFault, reason: string): never {
    const { offset } = this;
    const what = 'body';
    throw new FormatError(code, `Cannot read body of splitstream at ${offset}: ${reason}`, {
      offset,
      what,
      reason,
    });
  }
}
