/** fs-verity hashing against what OpenSSL hashes in blocks of the same size on the same core, in the same run. */
import { spawnSync } from 'node:child_process';
import {
  type BlockHash,
  PlainBlockHash,
  type VerityAlgorithm,
  VerityHasher,
} from '#formats/fsverity';
import { tryOpenLaneHash } from '#host';
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
function ourRate(hash: BlockHash, seconds: number): number {
  const buffer = new Uint8Array(BUFFER_BYTES).map((_, index) => index % 251);
  const hasher = new VerityHasher(hash.algorithm, hash);
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
function measure(how: string, hash: BlockHash, options: BenchOptions): Row {
  const { algorithm } = hash;
  ourRate(hash, 0.3);
  const best = { ours: 0, theirs: 0 };
  const ratios: string[] = [];
  for (let round = 0; round < options.rounds * 2; round += 1) {
    const theirs = opensslRate(algorithm, 1);
    const ours = ourRate(hash, 1);
    best.theirs = Math.max(best.theirs, theirs);
    best.ours = Math.max(best.ours, ours);
    ratios.push((ours / theirs).toFixed(3));
  }
  const what = `fs-verity ${algorithm}, ${how}`;
  options.say(`${what} against openssl speed, by round: ${ratios.join(', ')}`);
  return {
    what: `${what}, bytes a second`,
    peer: `openssl speed -evp ${algorithm} -bytes 4096`,
    ratio: best.ours / best.theirs,
    goal: GOAL,
    higherIsBetter: true,
    detail: 'one core, data in cache, best of all rounds on either side',
  };
}

/** With the lanes that this host has, if any, and as a host without them hashes. */
function both(algorithm: VerityAlgorithm, options: BenchOptions): Row[] {
  const lanes = tryOpenLaneHash(algorithm);
  const plain = measure('one block at a time', new PlainBlockHash(algorithm), options);
  return lanes === undefined ? [plain] : [measure('by lanes', lanes, options), plain];
}

/** The bench. */
export const bench: Bench = {
  name: 'fsverity',
  run: async (options) => (['sha256', 'sha512'] as const).flatMap((one) => both(one, options)),
};
