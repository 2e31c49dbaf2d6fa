import { compressFrame } from './compress.ts';
import type { PlainLayer } from './refusal.ts';
import type { ChunkedTail } from './tail.ts';
import { ChunkedWriter, type ChunkedWriterOptions } from './writer.ts';

/** Writes a whole layer on this thread: yields the bytes of the blob and returns the result of `finish`. */
export async function* writeChunkedLayer(
  tar: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: ChunkedWriterOptions,
): AsyncGenerator<Uint8Array, ChunkedTail | PlainLayer> {
  const writer = new ChunkedWriter(options);
  function* compressed(contents: readonly Uint8Array[]): Generator<Uint8Array> {
    for (const content of contents) {
      const frame = compressFrame(content, options.level);
      writer.placed(frame.length);
      yield frame;
    }
  }
  for await (const piece of tar) yield* compressed(writer.push(piece));
  yield* compressed(writer.end());
  const end = writer.finish();
  if (end.kind === 'chunked') yield end.tail;
  return end;
}
