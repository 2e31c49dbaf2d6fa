import { CONTROL } from './batch-layout.ts';

/**
 * The queue of slots that wait for a writer: a ring in the control block, filled only by the splitter, emptied by all threads. A slot is in
 * it at most once, so it cannot overflow.
 */
export class BatchQueue {
  readonly #control: Int32Array;
  readonly #slotCount: number;

  constructor(control: Int32Array, slotCount: number) {
    this.#control = control;
    this.#slotCount = slotCount;
  }

  /** Appends a slot and wakes one writer. Only for the splitter. */
  push(number: number): void {
    const control = this.#control;
    const tail = Atomics.load(control, CONTROL.tail);
    Atomics.store(control, this.#word(tail), number);
    Atomics.store(control, CONTROL.tail, (tail + 1) | 0);
    Atomics.add(control, CONTROL.wake, 1);
    Atomics.notify(control, CONTROL.wake, 1);
  }

  /** Number of the next slot, without removing it. */
  peek(): number | undefined {
    const head = Atomics.load(this.#control, CONTROL.head);
    if (head === Atomics.load(this.#control, CONTROL.tail)) return undefined;
    return Atomics.load(this.#control, this.#word(head));
  }

  /** Removes the next slot; undefined if there is none. */
  tryTake(): number | undefined {
    const control = this.#control;
    for (;;) {
      const head = Atomics.load(control, CONTROL.head);
      if (head === Atomics.load(control, CONTROL.tail)) return undefined;
      // Read before the slot is removed: afterwards the position may be filled again.
      const number = Atomics.load(control, this.#word(head));
      if (Atomics.compareExchange(control, CONTROL.head, head, (head + 1) | 0) === head) {
        return number;
      }
    }
  }

  /** Removes the next slot; blocks the thread while there is none. Undefined at the end of the work. */
  take(): number | undefined {
    const control = this.#control;
    for (;;) {
      const seen = Atomics.load(control, CONTROL.wake);
      const number = this.tryTake();
      if (number !== undefined) return number;
      if (Atomics.load(control, CONTROL.stop) !== 0) return undefined;
      Atomics.wait(control, CONTROL.wake, seen);
    }
  }

  /** Ends the writers when the queue is empty. */
  stop(): void {
    Atomics.store(this.#control, CONTROL.stop, 1);
    Atomics.add(this.#control, CONTROL.wake, 1);
    Atomics.notify(this.#control, CONTROL.wake);
  }

  #word(position: number): number {
    return CONTROL.queue + ((position >>> 0) % this.#slotCount);
  }
}
