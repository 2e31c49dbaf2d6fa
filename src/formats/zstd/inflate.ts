import { createZstdDecompress, type ZstdOptions, zstdDecompressSync } from 'node:zlib';
import { concatBytes } from '#base/bytes';
import { walkZstdFrames } from './frames.ts';
import { type FramePart, ZstdFrameSplitter } from './splitter.ts';

/** `a` and `b`, each in its own frame. Source: RFC 8878 section 3.1.1: one raw block in a single segment. */
const TWO_FRAMES = Buffer.from('28b52ffd200109000061' + '28b52ffd200109000062', 'hex');
/** A frame that inflates to at most this many bytes is inflated in one call: a stream for each chunk of a layer would cost more. */
const SMALL_FRAME_BYTES = 256 * 1024;

let reads: boolean | undefined;

/** Whether this Node's zstd reads all frames. Node 22 and early releases of Node 24 stop after the first. Tested once. */
function readsAllFrames(): boolean {
  reads ??= zstdDecompressSync(TWO_FRAMES).length === 2;
  return reads;
}

/**
 * Inflates zstd data of any number of frames, skippable ones included, on every Node: where Node's zstd stops after the first frame,
 * each frame is inflated by itself. Bytes outside of frames and truncated data are errors. A piece of the source may be overwritten
 * once the next one is requested. Memory is bounded by a few pieces, 256 KiB and the window.
 * @param byFrames true: frame by frame on every Node
 * @throws Error of zlib; FormatError ZSTD_FRAME_INVALID; errors of the source
 */
export async function* inflateZstd(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: ZstdOptions = {},
  byFrames = !readsAllFrames(),
): AsyncGenerator<Uint8Array> {
  if (!byFrames) return yield* inflateStream(source, options);
  const parts = partsOf(source);
  try {
    for (let next = await parts.next(); next.done !== true; next = await parts.next()) {
      const frame = await heldFrame(next.value, parts);
      const { inflatedMax } = frame.last;
      if (!frame.last.isLast) yield* inflateStream(restOf(frame.held, parts), options);
      else if (inflatedMax > SMALL_FRAME_BYTES) yield* inflateStream(frame.held, options);
      else if (inflatedMax > 0) {
        const maxOutputLength = inflatedMax;
        yield zstdDecompressSync(concatBytes(frame.held), { ...options, maxOutputLength });
      }
    }
  } finally {
    // Not awaited: a source that waits for its server would delay the error.
    parts.return(undefined).catch(() => {});
  }
}

/**
 * Inflates zstd data of any number of frames at once.
 * @param byFrames true: frame by frame on every Node
 * @throws RangeError ERR_BUFFER_TOO_LARGE beyond `maxOutputLength`; otherwise as `inflateZstd`
 */
export function inflateZstdSync(
  bytes: Uint8Array,
  options: ZstdOptions & { readonly maxOutputLength: number },
  byFrames = !readsAllFrames(),
): Uint8Array {
  if (!byFrames) return zstdDecompressSync(bytes, options);
  const pieces: Uint8Array[] = [];
  let left = options.maxOutputLength;
  for (const { kind, offset, lengthBytes } of walkZstdFrames(bytes)) {
    if (kind === 'skip') continue;
    const frame = bytes.subarray(offset, offset + lengthBytes);
    // zlib does not accept a limit of zero; the check below rejects any byte from here on.
    const piece = zstdDecompressSync(frame, { ...options, maxOutputLength: Math.max(left, 1) });
    left -= piece.length;
    if (left < 0) throw tooLarge(options.maxOutputLength);
    pieces.push(piece);
  }
  return concatBytes(pieces);
}

function tooLarge(limit: number): RangeError {
  const error = new RangeError(`Cannot inflate zstd data: expected at most ${limit} bytes`);
  return Object.assign(error, { code: 'ERR_BUFFER_TOO_LARGE' });
}

async function* partsOf(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<FramePart> {
  const splitter = new ZstdFrameSplitter();
  for await (const piece of source) yield* splitter.push(piece);
  splitter.finish();
}

interface HeldFrame {
  /** Copies: the next piece overwrites the memory of a piece. */
  readonly held: Uint8Array[];
  readonly last: FramePart;
}

/** The parts of a frame up to its end, or up to the limit for held bytes. */
async function heldFrame(first: FramePart, parts: AsyncGenerator<FramePart>): Promise<HeldFrame> {
  const held: Uint8Array[] = [];
  let heldBytes = 0;
  for (let last = first; ; ) {
    held.push(last.bytes.slice());
    heldBytes += last.bytes.length;
    if (last.isLast || Math.max(heldBytes, last.inflatedMax) > SMALL_FRAME_BYTES)
      return { held, last };
    const next = await parts.next();
    if (next.done === true) return { held, last };
    last = next.value;
  }
}

/** The held parts of a frame, then its other parts. */
async function* restOf(
  held: readonly Uint8Array[],
  parts: AsyncGenerator<FramePart>,
): AsyncGenerator<Uint8Array> {
  yield* held;
  for (let next = await parts.next(); next.done !== true; next = await parts.next()) {
    yield next.value.bytes;
    if (next.value.isLast) return;
  }
}

/** Writing and reading run in parallel: zlib works in its own thread. */
async function* inflateStream(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: ZstdOptions,
): AsyncGenerator<Uint8Array> {
  const stream = createZstdDecompress({ ...options, rejectGarbageAfterEnd: true });
  const feeding = feed(source, stream);
  // `feed` turns an error of the source into an error of the stream.
  feeding.catch(() => {});
  try {
    for await (const piece of stream) yield piece as Uint8Array;
    await feeding;
  } finally {
    stream.destroy();
  }
}

async function feed(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  stream: ReturnType<typeof createZstdDecompress>,
): Promise<void> {
  const closed = new Promise<void>((resolve) => stream.once('close', resolve));
  try {
    for await (const piece of source) {
      // The callback runs when the piece has been consumed; after an error it never runs.
      await Promise.race([
        closed,
        new Promise<void>((resolve) => void stream.write(piece, () => resolve())),
      ]);
      if (stream.destroyed) return;
    }
    stream.end();
  } catch (error) {
    stream.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}
