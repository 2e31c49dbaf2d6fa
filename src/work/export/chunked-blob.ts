import { type ChunkedTail, ChunkedWriter, type PlainLayer } from '#formats/chunked-writer';
import { FrameThreads } from './frame-threads.ts';

/** Level of zstd, as for other zstd layers. */
const LEVEL = 3;

/**
 * Writes a tar as a zstd:chunked layer: yields the bytes of the blob, and returns its annotations or the reason why it has no table of contents.
 * Frames are compressed in threads; the bytes depend on the tar and on the version of libzstd alone.
 * @throws HostError WORKER_FAILED
 */
export async function* packedChunked(
  tar: Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array, ChunkedTail | PlainLayer> {
  const writer = new ChunkedWriter({ level: LEVEL });
  await using threads = new FrameThreads(LEVEL);
  async function* taken(): AsyncGenerator<Uint8Array> {
    const { bytes, lengths } = await threads.take();
    for (const length of lengths) writer.placed(length);
    yield bytes;
  }
  for (const piece of tar) {
    // Copied: the writer keeps what the producer overwrites.
    threads.add(writer.push(Uint8Array.from(piece)));
    if (threads.isFull) yield* taken();
  }
  threads.add(writer.end());
  threads.end();
  while (threads.hasFrames) yield* taken();
  const end = writer.finish();
  if (end.kind === 'chunked') yield end.tail;
  return end;
}
