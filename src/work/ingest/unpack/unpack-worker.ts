import { carryError, RingReader, RingWriter, serveWorker } from '#host';
import { BlobReader } from '../blob.ts';
import { unpackLayer } from './unpack-layer.ts';
import type { UnpackAnswer, UnpackOrder } from './unpack-thread.ts';

serveWorker<null, UnpackOrder | 'stop', UnpackAnswer, void>(async (_, context) => {
  for await (const order of context.messages()) {
    if (order === 'stop') return;
    const tar = new RingWriter(order.tar);
    try {
      const progress = new Float64Array(order.progress);
      const content =
        'ring' in order.input ? readRing(new RingReader(order.input.ring)) : order.input;
      const blob = new BlobReader(content, order.expected, (readBytes) => {
        progress[0] = readBytes;
      });
      const onTar = async (piece: Uint8Array) =>
        !context.isCancelled() && (await tar.writeAsync(piece));
      // After a stop, one more piece is produced and dropped: `onTar` then returns false.
      const roomFor = async (lengthBytes: number) =>
        (await tar.reserveAsync(lengthBytes)) ?? new Uint8Array(lengthBytes);
      await unpackLayer(blob, order.expected, onTar, roomFor);
      tar.end();
      context.post({ error: undefined });
    } catch (error) {
      tar.fail(error);
      context.post({ error: carryError(error) });
    }
  }
});

async function* readRing(reader: RingReader): AsyncGenerator<Uint8Array> {
  using open = reader;
  for (;;) {
    const piece = await open.peekAsync();
    if (piece === undefined) return;
    yield piece;
    open.release(piece.length);
  }
}
