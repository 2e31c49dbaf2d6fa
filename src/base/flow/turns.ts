import type { OperationOptions } from './progress.ts';

/** Longest time that synchronous work may block the event loop, in milliseconds. A signal must act within 100. */
const TURN_MS = 20;

/** Work that never waits, in steps: it yields where events may have their turn, and returns its result. A step must be quick. */
export type Steps<Result> = Generator<undefined, Result>;

/** Items, entries or inodes in a step: few enough to be quick, many enough that looking at the clock costs nothing. */
export const STEP_ITEMS = 1024;

/** Does all steps without a pause. @throws what the steps throw */
export function atOnce<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/**
 * Does the steps and lets events have their turn in between, so that a signal acts. What the steps hold open is closed when it ends early.
 * @throws what the steps throw; the signal's reason
 */
export async function inTurns<Result>(
  steps: Steps<Result>,
  { signal }: OperationOptions = {},
): Promise<Result> {
  try {
    for (let began = Number.NEGATIVE_INFINITY; ; ) {
      signal?.throwIfAborted();
      const step = steps.next();
      if (step.done === true) return step.value;
      if (performance.now() - began < TURN_MS) continue;
      await new Promise(setImmediate);
      began = performance.now();
    }
  } finally {
    // Nothing happens to steps that are done. The value is for nobody.
    steps.return(undefined as Result);
  }
}

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
  return await inTurns(gatherSteps(items, each), { signal });
}

function* gatherSteps<Item, Result>(
  items: Iterable<Item>,
  each: (item: Item) => Result,
): Steps<Result[]> {
  const results: Result[] = [];
  for (const item of items) {
    results.push(each(item));
    yield;
  }
  return results;
}

/**
 * For a loop whose awaits are mostly settled at once, so that no event gets in: the returned function yields to the event loop if the loop
 * has run long enough. The loop calls it once an item. @throws the signal's reason
 */
export function turnTaker({ signal }: OperationOptions): () => Promise<void> {
  let began = performance.now();
  return async () => {
    if (performance.now() - began >= TURN_MS) {
      await new Promise(setImmediate);
      began = performance.now();
    }
    signal?.throwIfAborted();
  };
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
