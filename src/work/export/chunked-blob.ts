import { availableParallelism } from 'node:os';
import {
  type ChunkedTail,
  ChunkedWriter,
  compressFrameAside,
  type PlainLayer,
} from '#formats/chunked-writer';

/** Level of zstd, as for other zstd layers. */
const LEVEL = 3;
/** Content of frames that may be in compression at a time, in bytes; one frame always may. */
const RUNNING_BYTES_MAX = 32 * 2 ** 20;

/**
 * Writes a tar as a zstd:chunked layer: yields the bytes of the blob, and returns its annotations or the reason why it has no table of contents.
 * Frames are compressed in the threads of libuv; the bytes depend on the tar and on the version of libzstd alone.
 */
export async function* packedChunked(
  tar: Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array, ChunkedTail | PlainLayer> {
  const writer = new ChunkedWriter({ level: LEVEL });
  const running: { readonly frame: Promise<Uint8Array>; readonly sizeBytes: number }[] = [];
  const framesMax = 8 * availableParallelism();
  let runningBytes = 0;
  const begin = (contents: readonly Uint8Array[]) => {
    for (const content of contents) {
      const frame = compressFrameAside(content, LEVEL);
      // A failure is reported when its turn has come.
      frame.catch(() => {});
      running.push({ frame, sizeBytes: content.length });
      runningBytes += content.length;
    }
  };
  async function* finished(countMax: number): AsyncGenerator<Uint8Array> {
    while (running.length > countMax || (running.length > 1 && runningBytes > RUNNING_BYTES_MAX)) {
      const first = running.shift();
      if (first === undefined) return;
      const frame = await first.frame;
      runningBytes -= first.sizeBytes;
      writer.placed(frame.length);
      yield frame;
    }
  }
  for (const piece of tar) {
    // Copied: the writer keeps what the producer overwrites.
    begin(writer.push(Uint8Array.from(piece)));
    yield* finished(framesMax);
  }
  begin(writer.end());
  yield* finished(0);
  const end = writer.finish();
  if (end.kind === 'chunked') yield end.tail;
  return end;
}
