import type { OperationOptions } from './progress.ts';

/** Longest time that synchronous work may block the event loop, in milliseconds. A signal must act within 100. */
const TURN_MS = 20;

/**
 * Collects the results of `each` over the items, in order, and yields to the event loop in between, so that a signal acts. One item must be
 * fast. The iterator is closed on an early exit.
 * @throws what the items and `each` throw; the signal's reason
 */
export async function gather<Item, Result>(
  items: Iterable<Item>,
  each: (item: Item) => Result,
  { signal }: OperationOptions = {},
): Promise<Result[]> {
  signal?.throwIfAborted();
  const results: Result[] = [];
  let began = performance.now();
  for (const item of items) {
    results.push(each(item));
    if (performance.now() - began < TURN_MS) continue;
    await new Promise(setImmediate);
    signal?.throwIfAborted();
    began = performance.now();
  }
  return results;
}

/** The part of a writable stream that `drained` needs. */
interface Filling {
  on(event: 'drain' | 'close', listener: () => void): unknown;
  off(event: 'drain' | 'close', listener: () => void): unknown;
}

/** Waits until a full stream drains or is closed, and removes its listeners: Node warns of many listeners. */
export async function drained(stream: Filling): Promise<void> {
  await new Promise<void>((resolve) => {
    const go = () => {
      stream.off('drain', go);
      stream.off('close', go);
      resolve();
    };
    stream.on('drain', go);
    stream.on('close', go);
  });
}
