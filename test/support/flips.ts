/** Single flips in a repository: one bit of an object's content, or of what a link leads to. */
import {
  cpSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { initRepository, openRepository, type Repository } from '#stores/composefs';
import { checkOciImages, checkRepository } from '#work/check';
import { pullImage } from '#work/pull-image';
import { makeTempDir } from './temp-dir.ts';
import { writeTinyImage } from './tiny-images.ts';

/** Who notices the damage: a check before the pulls, or the pulls themselves. */
export type Notice = 'fsck' | 'verify-reused';

/** What became of a flip; `left` is empty when everything is well again. */
export interface FlipOutcome {
  readonly what: string;
  readonly left: readonly string[];
}

/** A small generator of numbers in [0, 1): mulberry32. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Flips one bit a time, spread evenly over all objects, streams, images and links of a repository with one image; then has it noticed,
 * pulls that image and another that shares a file and a layer with it, and checks the repository.
 */
export async function healFlips(count: number, notice: Notice, seed = 1): Promise<FlipOutcome[]> {
  using temp = makeTempDir();
  const random = createRandom(seed);
  const [first, second] = await writeImages(join(temp.path, 'layout'));
  const base = join(temp.path, 'base');
  await withRepository(base, (repository) => pullImage(repository, first, { name: 'first' }));
  const targets = listTargets(base);
  const outcomes: FlipOutcome[] = [];
  for (let number = 0; number < count; number += 1) {
    const target = targets[Math.floor((number * targets.length) / count)] ?? '';
    const damaged = join(temp.path, `${number}`);
    cpSync(base, damaged, { recursive: true, verbatimSymlinks: true });
    const what = flip(damaged, target, random);
    outcomes.push({ what, left: await heal(damaged, notice, [first, second]) });
  }
  return outcomes;
}

async function heal(path: string, notice: Notice, references: readonly string[]) {
  return await withRepository(path, async (repository) => {
    if (notice === 'fsck') await check(repository);
    for (const [index, reference] of references.entries()) {
      const name = index === 0 ? 'first' : 'second';
      await pullImage(repository, reference, { name, verifyReused: notice !== 'fsck' });
    }
    return await check(repository);
  });
}

async function check(repository: Repository): Promise<string[]> {
  const { findings } = await checkRepository(repository);
  const images = await checkOciImages(repository, { content: true, rebuild: true });
  return [...findings, ...images.findings].map((finding) => JSON.stringify(finding));
}

async function withRepository<T>(
  path: string,
  work: (repository: Repository) => Promise<T>,
): Promise<T> {
  const config = { algorithm: 'sha256', insecure: true } as const;
  using repository =
    lstatSync(path, { throwIfNoEntry: false }) === undefined
      ? (await initRepository(path, config)).repository
      : await openRepository(path);
  return await work(repository);
}

async function writeImages(layout: string): Promise<[string, string]> {
  const shared = { 'usr/': '', 'usr/shared': 'shared '.repeat(300), 'usr/small': 'inline' };
  const base = { files: { ...shared, 'usr/one': 'one '.repeat(200) } };
  const a = await writeTinyImage(layout, 'a', [
    base,
    { files: { 'usr/': '', 'usr/two': 'two '.repeat(5000) }, compression: 'none' },
  ]);
  const b = await writeTinyImage(layout, 'b', [base, { files: { ...shared, 'usr/three': '3' } }]);
  return [a.reference, b.reference];
}

/** Objects, and links to streams, images and references, relative to the repository. */
function listTargets(path: string): string[] {
  return ['objects', 'streams', 'images'].flatMap((top) =>
    readdirSync(join(path, top), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() || entry.isSymbolicLink())
      .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1)),
  );
}

function flip(repository: string, target: string, random: () => number): string {
  const path = join(repository, target);
  if (lstatSync(path).isSymbolicLink()) {
    const bytes = Buffer.from(readlinkSync(path));
    const at = Math.floor(random() * bytes.length);
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    unlinkSync(path);
    symlinkSync(bytes.toString(), path);
    return `${target} -> ${bytes}`;
  }
  const bytes = readFileSync(path);
  const at = Math.floor(random() * bytes.length);
  bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << Math.floor(random() * 8)), at);
  writeFileSync(path, bytes);
  return `byte ${at} of ${target}`;
}
