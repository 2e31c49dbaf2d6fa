import { serveWorker } from '#host';
import type { ObjectWriterSeed } from '#stores/composefs';
import { type BatchMemory, CONTROL, SLOT, STATE, viewSlots } from './batch-layout.ts';
import { BatchQueue } from './batch-queue.ts';
import { openBatchTools, runBatch } from './batch-work.ts';

/** Start data of a writer thread. */
export interface BatchWorkerData {
  readonly memory: BatchMemory;
  readonly seed: ObjectWriterSeed;
}

serveWorker<BatchWorkerData, never, never, void>(({ memory, seed }, context) => {
  const control = new Int32Array(memory.control);
  const queue = new BatchQueue(control, memory.slotCount);
  const slots = viewSlots(memory);
  const tools = openBatchTools(seed);
  try {
    for (;;) {
      const number = queue.take();
      const slot = number === undefined ? undefined : slots[number];
      if (slot === undefined || context.isCancelled()) return;
      runBatch(slot, tools);
      Atomics.store(slot.header, SLOT.state, STATE.done);
      announce(control);
    }
  } finally {
    announce(control);
  }
});

function announce(control: Int32Array): void {
  Atomics.add(control, CONTROL.events, 1);
  Atomics.notify(control, CONTROL.events);
}
