import { serveWorker } from '#host';
import { type ObjectWriterSeed, openObjectWriter } from '#stores/composefs';
import { type BatchMemory, CONTROL, SLOT, STATE, viewSlots } from './batch-layout.ts';
import { runBatch } from './batch-work.ts';

/** What a writer thread is started with. */
export interface BatchWorkerData {
  readonly memory: BatchMemory;
  readonly seed: ObjectWriterSeed;
}

serveWorker<BatchWorkerData, never, never, void>(({ memory, seed }, context) => {
  const control = new Int32Array(memory.control);
  const slots = viewSlots(memory);
  const tools = { writer: openObjectWriter(seed), algorithm: seed.algorithm };
  try {
    for (;;) {
      const number = takeSlot(control, memory.slotCount);
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

/** The next queued slot; blocks while there is none. Undefined when there will be no more. */
function takeSlot(control: Int32Array, slotCount: number): number | undefined {
  for (;;) {
    const wake = Atomics.load(control, CONTROL.wake);
    const head = Atomics.load(control, CONTROL.head);
    if (head === Atomics.load(control, CONTROL.tail)) {
      if (Atomics.load(control, CONTROL.stop) !== 0) return undefined;
      Atomics.wait(control, CONTROL.wake, wake);
      continue;
    }
    // Read before it is taken: afterwards the position may be filled anew.
    const number = Atomics.load(control, CONTROL.queue + ((head >>> 0) % slotCount));
    if (Atomics.compareExchange(control, CONTROL.head, head, (head + 1) | 0) === head) {
      return number;
    }
  }
}

function announce(control: Int32Array): void {
  Atomics.add(control, CONTROL.events, 1);
  Atomics.notify(control, CONTROL.events);
}
