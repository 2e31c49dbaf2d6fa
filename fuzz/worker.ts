/** Runs one target until its time is over. The input at hand lies in shared memory, so that the runner can save one that never returns. */
import { parentPort, workerData } from 'node:worker_threads';
import { INPUT_BYTES_MAX, mutate, Random } from './mutate.ts';
import { type FuzzTarget, inputsOf, loadTarget } from './target.ts';

/** What the runner hands to its worker. */
export interface FuzzJob {
  readonly file: string;
  readonly seconds: number;
  readonly seed: number;
  /** Two numbers (runs, length of the input), then the input. */
  readonly shared: SharedArrayBuffer;
}

/** What the worker says at the end. */
export type FuzzReport =
  | { readonly kind: 'done'; readonly runs: number; readonly inputs: number }
  | {
      readonly kind: 'failed';
      readonly runs: number;
      readonly from: string;
      readonly error: string;
    };

/** Bytes before the input in the shared memory. */
export const SHARED_HEAD_BYTES = 8;

/** Resident bytes at which an input counts as a memory bomb. */
const RESIDENT_BYTES_MAX = 1.5 * 2 ** 30;
const RUNS_PER_CHECK = 64;

async function work(job: FuzzJob): Promise<FuzzReport> {
  const counters = new Int32Array(job.shared, 0, 2);
  const inputAt = new Uint8Array(job.shared, SHARED_HEAD_BYTES);
  const target = await loadTarget(job.file);
  const inputs = [...inputsOf(target)];
  let runs = 0;
  let from = '';
  const once = async (bytes: Uint8Array) => {
    inputAt.set(bytes);
    Atomics.store(counters, 1, bytes.length);
    runs += 1;
    Atomics.store(counters, 0, runs);
    const pending = target.run(bytes);
    if (pending !== undefined) await pending;
    if (runs % RUNS_PER_CHECK === 0 && process.memoryUsage.rss() > RESIDENT_BYTES_MAX) {
      throw new Error(`expected at most ${RESIDENT_BYTES_MAX} resident bytes, found more`);
    }
  };
  try {
    for (const [name, bytes] of inputs) {
      from = name;
      await once(bytes.subarray(0, INPUT_BYTES_MAX));
    }
    const random = new Random(job.seed);
    const endMs = Date.now() + job.seconds * 1000;
    while (Date.now() < endMs) {
      const [name, bytes] = random.pick(inputs);
      from = name;
      await once(damaged(target, bytes, random.pick(inputs)[1], random));
    }
    return { kind: 'done', runs, inputs: inputs.length };
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { kind: 'failed', runs, from, error: text };
  }
}

function damaged(
  target: FuzzTarget,
  input: Uint8Array,
  other: Uint8Array,
  random: Random,
): Uint8Array {
  const bytes = mutate(input, other, random);
  if (target.repair === undefined || random.below(2) === 0) return bytes;
  return target.repair(bytes).subarray(0, INPUT_BYTES_MAX);
}

if (parentPort !== null) parentPort.postMessage(await work(workerData as FuzzJob));
