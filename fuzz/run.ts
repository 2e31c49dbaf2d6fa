/**
 * Fuzzes the parsers: every target gets its corpus and seeds, then damaged copies of them until its time is over. An input that
 * breaks the invariant, never returns or eats the memory is saved in the corpus; give it the name of the bug once it is fixed.
 *
 * Usage: npm run fuzz -- [--target NAME]… [--seconds N] [--seed N]
 */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { INPUT_BYTES_MAX } from './mutate.ts';
import { corpusFolder, listTargets } from './target.ts';
import { type FuzzJob, type FuzzReport, SHARED_HEAD_BYTES } from './worker.ts';

/** An input that takes longer than this counts as one that never returns. */
const INPUT_MS_MAX = 10_000;
const WATCH_MS = 500;

/** The input that the worker was given last. */
function lastInput(shared: SharedArrayBuffer): Uint8Array {
  const [, length = 0] = new Int32Array(shared, 0, 2);
  return Uint8Array.from(new Uint8Array(shared, SHARED_HEAD_BYTES, length));
}

/** Settles with the worker's report, or with a failure when it stops making progress or dies. */
function reportOf(worker: Worker, shared: SharedArrayBuffer): Promise<FuzzReport> {
  const counters = new Int32Array(shared, 0, 2);
  return new Promise((resolve) => {
    let seen = -1;
    let seenAtMs = Date.now();
    const failed = (error: string) => {
      clearInterval(watch);
      resolve({ kind: 'failed', runs: Atomics.load(counters, 0), from: 'unknown', error });
    };
    const watch = setInterval(() => {
      const runs = Atomics.load(counters, 0);
      if (runs !== seen) {
        seen = runs;
        seenAtMs = Date.now();
      } else if (Date.now() - seenAtMs > INPUT_MS_MAX) {
        void worker.terminate();
        failed(`expected an answer within ${INPUT_MS_MAX} ms, found none`);
      }
    }, WATCH_MS);
    worker.once('message', (report: FuzzReport) => {
      clearInterval(watch);
      resolve(report);
    });
    worker.once('error', (error) => failed(String(error)));
  });
}

async function fuzz(file: string, seconds: number, seed: number): Promise<boolean> {
  const shared = new SharedArrayBuffer(SHARED_HEAD_BYTES + INPUT_BYTES_MAX);
  const workerData: FuzzJob = { file, seconds, seed, shared };
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData });
  const report = await reportOf(worker, shared);
  if (report.kind === 'done') {
    const { runs, inputs } = report;
    process.stdout.write(`fuzz ${file}: ${runs} runs from ${inputs} inputs, nothing found\n`);
    return true;
  }
  const input = lastInput(shared);
  const folder = corpusFolder(file);
  mkdirSync(folder, { recursive: true });
  const name = `new-${createHash('sha256').update(input).digest('hex').slice(0, 12)}`;
  writeFileSync(new URL(name, folder), input);
  process.stdout.write(
    `fuzz ${file}: FAILED after ${report.runs} runs (seed ${seed}, from ${report.from})\n` +
      `  input saved as fuzz/corpus/${file}/${name} (${input.length} bytes)\n  ${report.error}\n`,
  );
  return false;
}

const { values } = parseArgs({
  options: {
    target: { type: 'string', multiple: true },
    seconds: { type: 'string', default: '10' },
    seed: { type: 'string' },
  },
});
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const known = listTargets();
const wanted = values.target ?? known;
for (const name of wanted) {
  if (known.includes(name)) continue;
  process.stderr.write(`fuzz: no target "${name}"; there are ${known.join(', ')}\n`);
  process.exit(2);
}
let clean = true;
for (const name of wanted) clean = (await fuzz(name, Number(values.seconds), seed)) && clean;
process.exitCode = clean ? 0 : 1;
