import type { OperationOptions } from './progress.ts';

/** How long work that never waits may keep events waiting, in milliseconds. A signal is to act within 100. */
const TURN_MS = 20;

/**
 * Gathers what `each` makes of the items, in order, and lets events have their turn in between, so that a signal acts. An item must be
 * quick. The items are closed when it ends early.
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

/** What is waited for of a stream that is written to. */
interface Filling {
  on(event: 'drain' | 'close', listener: () => void): unknown;
  off(event: 'drain' | 'close', listener: () => void): unknown;
}

/** Waits until a full stream has room or is closed, and leaves no listener behind: Node warns of many. */
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
