import { compressFrame } from '#formats/chunked-writer';
import { serveWorker } from '#host';
import { type FrameBatch, joinFrames, splitFrames } from './frame-batch.ts';

/** Compresses batches of frames, in order, at the level that the thread is started with. */
serveWorker<number, FrameBatch, FrameBatch, void>(async (level, context) => {
  for await (const batch of context.messages()) {
    const frames: Uint8Array[] = [];
    for (const content of splitFrames(batch)) {
      if (context.isCancelled()) return;
      frames.push(compressFrame(content, level));
    }
    const answer = joinFrames(frames);
    context.post(answer, [answer.bytes.buffer]);
  }
});
