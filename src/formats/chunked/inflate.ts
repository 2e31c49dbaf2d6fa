import { constants } from 'node:zlib';
import { FormatError, hasCode, IntegrityError, isOnecopyError } from '#base/errors';
import { inflateZstd, inflateZstdSync, measureInflatedMax } from '#formats/zstd';
import type { MetadataPosition } from './annotations.ts';
import { UnusableToc } from './verdict.ts';

/**
 * Largest window that a frame may require, as a power of two: 32 MiB, as in the strongest level of podman's encoder.
 * Source: klauspost/compress zstd, SpeedBestCompression.
 */
const WINDOW_LOG_MAX = 25;
/** Error codes of zlib, besides those that begin with `ZSTD_`: truncated input, and bytes after the last frame. */
const INPUT_FAULTS: ReadonlySet<string> = new Set([
  'Z_BUF_ERROR',
  'ERR_TRAILING_JUNK_AFTER_STREAM_END',
]);
/** Size of an inflated piece of a TOC or tar-split, in bytes: each costs a turn of the event loop. */
const METADATA_PIECE_BYTES = 2 ** 20;
const DECODER = { params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX } };

/**
 * Inflates a TOC or tar-split piece by piece, never past the claimed length. A longer document is unusable
 * (UnusableToc); one whose block sizes allow more than `limitBytes` is rejected.
 * @throws FormatError CHUNKED_METADATA_TOO_LARGE
 */
export async function* inflateMetadata(
  what: 'TOC' | 'tar-split',
  bytes: Uint8Array,
  { inflatedBytes }: MetadataPosition,
  limitBytes: number,
): AsyncGenerator<Uint8Array> {
  const most = metadataMax(what, bytes);
  let found = 0;
  for await (const piece of inflate(what, bytes)) {
    found += piece.length;
    if (found > inflatedBytes) break;
    yield piece;
  }
  if (found === inflatedBytes) return;
  if (found > inflatedBytes && most > limitBytes) refuseBomb(what, limitBytes, most);
  const size = found > inflatedBytes ? 'longer' : `${found} bytes long`;
  throw new UnusableToc(
    'length',
    `its ${what} is ${size} where ${inflatedBytes} bytes are claimed`,
  );
}

async function* inflate(what: string, bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  try {
    yield* inflateZstd([bytes], { ...DECODER, chunkSize: METADATA_PIECE_BYTES });
  } catch (error) {
    throw notZstd(what, error);
  }
}

function metadataMax(what: string, bytes: Uint8Array): number {
  try {
    return measureInflatedMax(bytes);
  } catch (error) {
    if (!isOnecopyError(error)) throw error;
    throw notZstd(what, error);
  }
}

function notZstd(what: string, error: unknown): UnusableToc {
  return new UnusableToc('json', `its ${what} is no zstd data: ${(error as Error).message}`);
}

function refuseBomb(what: string, expected: number, found: number): never {
  throw new FormatError(
    'CHUNKED_METADATA_TOO_LARGE',
    `Cannot use layer: expected at most ${expected} bytes as its ${what}, found up to ${found} behind a smaller claim`,
    { offset: 0, what, expected, found },
  );
}

/**
 * The content of a chunk: all frames of its range, exactly `sizeBytes`. For chunks that fit into memory.
 * Source: spec of zstd:chunked 1.2: a range is one or more complete frames, possibly empty.
 * @throws IntegrityError CHUNK_CONTENT_MISMATCH
 */
export function decodeChunk(range: Uint8Array, sizeBytes: number): Uint8Array {
  try {
    // One more byte is allowed, so that the length tells an overflow from other failures.
    const content = inflateZstdSync(range, { ...DECODER, maxOutputLength: sizeBytes + 1 });
    if (content.length === sizeBytes) return content;
    return failChunk(sizeBytes, `${content.length} bytes`);
  } catch (error) {
    if (isOnecopyError(error) && hasCode(error, 'CHUNK_CONTENT_MISMATCH')) throw error;
    return failChunk(sizeBytes, (error as Error).message);
  }
}

/**
 * The content of a chunk of any size, piece by piece as its range arrives; it ends only after exactly `sizeBytes`.
 * @throws IntegrityError CHUNK_CONTENT_MISMATCH
 */
export async function* inflateChunk(
  range: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  sizeBytes: number,
): AsyncGenerator<Uint8Array> {
  let found = 0;
  try {
    for await (const piece of inflateZstd(range, DECODER)) {
      found += piece.length;
      if (found > sizeBytes) break;
      yield piece;
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (code.startsWith('ZSTD_') || INPUT_FAULTS.has(code))
      failChunk(sizeBytes, (error as Error).message);
    throw error;
  }
  if (found !== sizeBytes) failChunk(sizeBytes, found > sizeBytes ? 'more' : `${found} bytes`);
}

/** Rejects a range whose content differs from the TOC. */
export function failChunk(expected: number, found: string): never {
  throw new IntegrityError(
    'CHUNK_CONTENT_MISMATCH',
    `Cannot use range of layer: expected ${expected} bytes of content, found ${found}`,
    { expected, found },
  );
}
