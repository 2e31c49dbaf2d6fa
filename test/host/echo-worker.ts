import { HostError } from '#base/errors';
import { createRing, type Ring, RingReader, RingWriter, serveWorker } from '#host';

/** What the test worker is asked to do. */
export type EchoTask =
  | { readonly do: 'sum'; readonly ring: Ring }
  | { readonly do: 'produce'; readonly ring: Ring; readonly pieces: number; readonly end: boolean }
  | { readonly do: 'fail' }
  | { readonly do: 'throw late' }
  | { readonly do: 'echo' }
  | { readonly do: 'spin' };

/** Test worker: one function per task, so that both directions of every channel are exercised from a real thread. */
serveWorker<EchoTask, string, string, number>(async (task, context) => {
  switch (task.do) {
    case 'sum': {
      using reader = new RingReader(task.ring);
      let sum = 0;
      for (let piece = reader.peek(); piece !== undefined; piece = reader.peek()) {
        for (const byte of piece) sum += byte;
        reader.release(piece.length);
      }
      return sum;
    }
    case 'produce': {
      using writer = new RingWriter(task.ring);
      let count = 0;
      for (; count < task.pieces; count += 1) {
        if (!writer.write(new Uint8Array(1000).fill(count))) break;
      }
      if (task.end) writer.end();
      return count;
    }
    case 'fail':
      throw new HostError(
        'SYSCALL_FAILED',
        'Cannot open "x": ENOENT',
        { errno: 'ENOENT', syscall: 'openat', target: 'x' },
        { hint: 'Look elsewhere', cause: new Error('below') },
      );
    case 'throw late':
      setTimeout(() => {
        throw new Error('outside the promise');
      }, 1);
      return new Promise<never>(() => {});
    case 'echo':
      for await (const message of context.messages()) {
        if (message === 'stop') break;
        context.post(`echo ${message}`);
      }
      return 0;
    case 'spin':
      context.post('spinning');
      while (!context.isCancelled()) {
        Atomics.wait(new Int32Array(createRing(1).shared), 0, 0, 1);
      }
      return 1;
  }
});
