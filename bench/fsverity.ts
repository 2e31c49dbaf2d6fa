/** fs-verity hashing against what OpenSSL hashes in blocks of the same size on the same core, in the same run. */
import { spawnSync } from 'node:child_process';
import { type VerityAlgorithm, VerityHasher } from '#formats/fsverity';
import type { Bench, BenchOptions, Row } from './bench.ts';

/** Goal: of what OpenSSL reaches on bare blocks, this much is left with the tree, the descriptor and the calls. */
const GOAL = 0.95;

/** One buffer that stays in the second-level cache, as the one of `openssl speed` does. */
const BUFFER_BYTES = 256 * 1024;

/** Bytes a second of `openssl speed` on blocks of 4096 bytes. */
function opensslRate(algorithm: VerityAlgorithm, seconds: number): number {
  const args = ['speed', '-mr', '-evp', algorithm, '-bytes', '4096', '-seconds', `${seconds}`];
  const { stdout, status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
  const rate = /^\+F:\d+:\S+?:([0-9.]+)$/m.exec(stdout)?.[1];
  if (status !== 0 || rate === undefined) throw new Error(`openssl speed failed: ${stderr}`);
  return Number(rate);
}

/** Bytes a second of processor time through a VerityHasher; `openssl speed` counts processor time too. */
function ourRate(algorithm: VerityAlgorithm, seconds: number): number {
  const buffer = new Uint8Array(BUFFER_BYTES).map((_, index) => index % 251);
  const hasher = new VerityHasher(algorithm);
  const start = process.cpuUsage();
  let elapsed = 0;
  while (elapsed < seconds) {
    for (let round = 0; round < 16; round += 1) hasher.update(buffer);
    const { user, system } = process.cpuUsage(start);
    elapsed = (user + system) / 1e6;
  }
  const { sizeBytes } = hasher;
  hasher.finish();
  return sizeBytes / elapsed;
}

/** Best rate against best rate: what else the machine does can only take away from either, and seldom from both alike. */
function measure(algorithm: VerityAlgorithm, options: BenchOptions): Row {
  ourRate(algorithm, 0.3);
  const best = { ours: 0, theirs: 0 };
  const ratios: string[] = [];
  for (let round = 0; round < options.rounds * 2; round += 1) {
    const theirs = opensslRate(algorithm, 1);
    const ours = ourRate(algorithm, 1);
    best.theirs = Math.max(best.theirs, theirs);
    best.ours = Math.max(best.ours, ours);
    ratios.push((ours / theirs).toFixed(3));
  }
  options.say(`fs-verity ${algorithm} against openssl speed, by round: ${ratios.join(', ')}`);
  return {
    what: `fs-verity ${algorithm}, bytes a second`,
    peer: `openssl speed -evp ${algorithm} -bytes 4096`,
    ratio: best.ours / best.theirs,
    goal: GOAL,
    higherIsBetter: true,
    detail: 'one core, data in cache, best of all rounds on either side',
  };
}

/** The bench. */
export const bench: Bench = {
  name: 'fsverity',
  run: async (options) => (['sha256', 'sha512'] as const).map((one) => measure(one, options)),
};
