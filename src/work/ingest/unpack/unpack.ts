import { constants, createGunzip, type Gunzip } from 'node:zlib';
import { FormatError, type OnecopyError } from '#base/errors';
import type { Source } from '#base/flow';
import type { Compression } from '#formats/oci';
import { inflateZstd } from '#formats/zstd';
import { type Inflater, tryOpenInflater } from '#host';
import { gunzip, type RoomFor } from './gunzip.ts';

/** Size of the pieces of the decompressor, in bytes: large pieces need few turns of the event loop. */
const PIECE_BYTES = 256 << 10;
/** Size of the queue between the thread of the decompressor and this one, in bytes. */
const WAITING_BYTES = 1 << 20;
/** Largest window of a zstd frame, as a power of two: 128 MiB. */
const WINDOW_LOG_MAX = 27;
/** Default limit of the size of a layer after decompression, in bytes: larger than any layer that a public registry accepts. */
export const LAYER_BYTES_MAX = 2 ** 37;
/**
 * Largest ratio of decompressed to compressed bytes beyond RATIO_FREE_BYTES, unless the caller sets a limit of bytes. Files of programs
 * reach 10, zeros reach 1032 with gzip (RFC 1951: 258 bytes from 2 bits).
 */
export const LAYER_RATIO_MAX = 200;
const RATIO_FREE_BYTES = 2 ** 30;

/** Limits of the decompression. */
export interface UnpackLimits {
  /** Name of the input, for messages. */
  readonly what: string;
  readonly layerBytesMax?: number | undefined;
}

/** Engines for the decompression of a layer. */
export interface UnpackTools {
  /** Returns an inflater for gzip, which works in this thread (default: zlib, in another thread). */
  readonly open?: () => Inflater | undefined;
  /** Output memory of such an inflater (default: its own memory). */
  readonly roomFor?: RoomFor | undefined;
}

/**
 * Decompresses a layer while it is read: gzip with any number of members, zstd with any number of frames, skippable ones included, or
 * uncompressed. Bytes after the last member or frame, and a truncated stream, are errors. Memory is bounded by a few pieces and the zstd
 * window (at most 128 MiB). A piece is overwritten by the next one.
 * @throws FormatError LAYER_COMPRESSION_INVALID, LAYER_TOO_LARGE; errors of the source
 */
export async function* unpack(
  source: Source,
  compression: Compression,
  limits: UnpackLimits,
  { open = tryOpenInflater, roomFor }: UnpackTools = {},
): AsyncGenerator<Uint8Array> {
  const meter = new Meter(limits);
  const counted = countInput(source, meter);
  using inflater = compression === 'gzip' ? open() : undefined;
  const pieces =
    inflater !== undefined
      ? gunzip(counted, inflater, (reason) => meter.invalid(reason), roomFor)
      : compression === 'none'
        ? counted
        : compression === 'gzip'
          ? zlibGunzip(counted, meter)
          : unzstd(counted, meter);
  for await (const piece of pieces) {
    meter.addOutput(piece.length);
    yield piece;
  }
}

async function* countInput(source: Source, meter: Meter): AsyncGenerator<Uint8Array> {
  for await (const piece of source) {
    meter.inputBytes += piece.length;
    yield piece;
  }
}

/** Of both decompressors. */
const STREAM = { chunkSize: PIECE_BYTES, readableHighWaterMark: WAITING_BYTES };

async function* unzstd(
  source: AsyncIterable<Uint8Array>,
  meter: Meter,
): AsyncGenerator<Uint8Array> {
  try {
    yield* inflateZstd(source, {
      ...STREAM,
      params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX },
    });
  } catch (error) {
    throw meter.explain(error);
  }
}

/** Writing and reading run concurrently, while a thread of the libuv pool does the work. */
async function* zlibGunzip(
  source: AsyncIterable<Uint8Array>,
  meter: Meter,
): AsyncGenerator<Uint8Array> {
  const stream = createGunzip(STREAM);
  const feeding = feed(source, stream);
  // Reported below, or replaced by the error of the stream.
  feeding.catch(() => {});
  try {
    for await (const piece of stream) yield piece as Uint8Array;
    await feeding;
  } catch (error) {
    throw meter.explain(error);
  } finally {
    stream.destroy();
  }
  // Zero bytes after a gzip member end the stream without an error: unread bytes are not part of it.
  if (stream.bytesWritten < meter.inputBytes) {
    throw meter.invalid(`bytes after its end at ${stream.bytesWritten}`);
  }
}

async function feed(source: AsyncIterable<Uint8Array>, stream: Gunzip): Promise<void> {
  const closed = new Promise<void>((resolve) => stream.once('close', resolve));
  try {
    for await (const piece of source) {
      if (stream.destroyed) return;
      // The callback is called when the piece has been consumed; after an error it is not called.
      await Promise.race([
        closed,
        new Promise<void>((resolve) => void stream.write(piece, () => resolve())),
      ]);
    }
    stream.end();
  } catch (error) {
    stream.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

/** Refuses a layer whose tar, of a length that is known before, is too much for its blob. @throws FormatError LAYER_TOO_LARGE */
export function requireLayerBytes(tarBytes: number, blobBytes: number, limits: UnpackLimits): void {
  const meter = new Meter(limits);
  meter.inputBytes = blobBytes;
  meter.addOutput(tarBytes);
}

/** Counts both sides, and knows when it is too much. */
class Meter {
  inputBytes = 0;
  #outputBytes = 0;
  readonly #limits: UnpackLimits;

  constructor(limits: UnpackLimits) {
    this.#limits = limits;
  }

  addOutput(bytes: number): void {
    this.#outputBytes += bytes;
    const ratioLimit = Math.max(RATIO_FREE_BYTES, this.inputBytes * LAYER_RATIO_MAX);
    const limit = this.#limits.layerBytesMax ?? Math.min(LAYER_BYTES_MAX, ratioLimit);
    if (this.#outputBytes <= limit) return;
    throw new FormatError(
      'LAYER_TOO_LARGE',
      `Cannot unpack ${this.#limits.what}: expected at most ${limit} bytes from ${this.inputBytes}, found more`,
      { offset: this.#outputBytes, what: this.#limits.what, limit },
      { hint: 'If you trust the image, raise --max-layer-size' },
    );
  }

  /** Converts errors of zlib; errors of the source are passed on. */
  explain(error: unknown): unknown {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const isZlib = /^(Z_|ZSTD_|ERR_TRAILING_JUNK|ERR_ZLIB|ERR_ZSTD)/.test(code);
    return isZlib ? this.invalid((error as Error).message, error) : error;
  }

  invalid(reason: string, cause?: unknown): OnecopyError {
    return new FormatError(
      'LAYER_COMPRESSION_INVALID',
      `Cannot unpack ${this.#limits.what}: ${reason}`,
      { offset: this.inputBytes, what: this.#limits.what, reason },
      cause === undefined ? {} : { cause },
    );
  }
}
