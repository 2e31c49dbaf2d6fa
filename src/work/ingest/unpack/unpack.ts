import { constants, createGunzip, type Gunzip } from 'node:zlib';
import { FormatError, type OnecopyError } from '#base/errors';
import type { Source } from '#base/flow';
import type { Compression } from '#formats/oci';
import { inflateZstd } from '#formats/zstd';
import { type Inflater, tryOpenInflater } from '#host';
import { gunzip, type RoomFor } from './gunzip.ts';

/** Pieces that come out of the decompressor, in bytes: large ones cost few turns of the event loop. */
const PIECE_BYTES = 256 << 10;
/** Pieces that may wait between the decompressor's thread and this one, in bytes. */
const WAITING_BYTES = 1 << 20;
/** Largest window of a zstd frame, as a power of two: 128 MiB. */
const WINDOW_LOG_MAX = 27;
/** Largest layer that is unpacked, in bytes, unless the caller says otherwise: above any that a public registry takes. */
export const LAYER_BYTES_MAX = 2 ** 37;
/**
 * Largest ratio of unpacked to packed bytes once more than RATIO_FREE_BYTES have come out, unless the caller says how many there may be.
 * Files of programs reach 10, of zeros 1032 with gzip (RFC 1951: 258 bytes from 2 bits).
 */
export const LAYER_RATIO_MAX = 200;
const RATIO_FREE_BYTES = 2 ** 30;

/** What unpacking may produce. */
export interface UnpackLimits {
  /** What is unpacked, for messages. */
  readonly what: string;
  readonly layerBytesMax?: number | undefined;
}

/** By what means a layer is unpacked. */
export interface UnpackTools {
  /** Gives an inflater for gzip, which then works in this thread; without one zlib does, in another. */
  readonly open?: () => Inflater | undefined;
  /** Where such an inflater puts what comes out; memory of its own otherwise. */
  readonly roomFor?: RoomFor | undefined;
}

/**
 * Unpacks a layer while it is read: gzip with any number of members, zstd with any number of frames, skippable ones included, or
 * nothing. Bytes after the last member or frame are an error, as is a cut. Memory is bounded by a few pieces and the zstd window
 * (at most 128 MiB). A piece is overwritten by the next.
 * @throws FormatError LAYER_COMPRESSION_INVALID, LAYER_TOO_LARGE; what the source throws
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

/** Feeding and reading run side by side: the work happens in a thread of libuv's pool meanwhile. */
async function* zlibGunzip(
  source: AsyncIterable<Uint8Array>,
  meter: Meter,
): AsyncGenerator<Uint8Array> {
  const stream = createGunzip(STREAM);
  const feeding = feed(source, stream);
  // Reported below, or overtaken by the stream's own error.
  feeding.catch(() => {});
  try {
    for await (const piece of stream) yield piece as Uint8Array;
    await feeding;
  } catch (error) {
    throw meter.explain(error);
  } finally {
    stream.destroy();
  }
  // Zero bytes after a gzip member end the stream without an error: whatever is left unread is not part of it.
  if (stream.bytesWritten < meter.inputBytes) {
    throw meter.invalid(`bytes after its end at ${stream.bytesWritten}`);
  }
}

async function feed(source: AsyncIterable<Uint8Array>, stream: Gunzip): Promise<void> {
  const closed = new Promise<void>((resolve) => stream.once('close', resolve));
  try {
    for await (const piece of source) {
      if (stream.destroyed) return;
      // The callback comes when the piece has been used up; after an error it never comes.
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

  /** Errors of zlib become ours; those of the source pass. */
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
