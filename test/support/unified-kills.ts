import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type MetadataLookup, ostreeObjectPath, walkCommit } from '#formats/ostree';
import { checkRepository } from '#stores/composefs';
import { checkUnified, openStores, openSysroot, type Sysroot, unifiedPull } from '#work/unify';
import { findProgram } from './capability.ts';
import { mountLoopFilesystem } from './loop-fs.ts';
import { testTar } from './tar-archive.ts';
import { noise, writeTestLayout } from './test-layout.ts';

const CHILD = fileURLToPath(new URL('../unified/pull-child.ts', import.meta.url));
const STORAGE_NAME = 'quay.io/test/os:1';
export const KILL_TARGET = `docker://${STORAGE_NAME}`;
/** Pulls that may end before they are killed, for each that is killed. */
const TRIES_MAX = 5;

/** What kills of a pull into three stores came to. */
export interface UnifiedKills {
  readonly killed: number;
  readonly wrong: readonly string[];
}

/**
 * Kills pulls into three stores at random points, by turns from a layout and from containers-storage; each time nothing may be half visible,
 * and the next pull must complete it. Every third pull is killed twice before that.
 */
export async function killUnifiedPulls(count: number): Promise<UnifiedKills> {
  await using filesystem = await mountLoopFilesystem('xfs');
  const { reference } = writeKillImage(join(filesystem.path, 'layout'));
  const path = join(filesystem.path, 'sysroot');
  const wrong: string[] = [];
  let killed = 0;
  const begin = async (fromStorage: boolean): Promise<string> => {
    rmSync(path, { recursive: true, force: true });
    mkdirSync(path);
    if (!fromStorage) return reference;
    using sysroot = openSysroot(path);
    await unifiedPull(sysroot, reference, { mode: 'enabled', target: KILL_TARGET });
    for (const store of ['composefs', 'ostree/repo'])
      rmSync(join(path, store), { recursive: true });
    return `containers-storage:${STORAGE_NAME}`;
  };
  const fullMs = new Map<boolean, number>();
  let expected: string | undefined;
  for (const fromStorage of [false, true]) {
    const source = await begin(fromStorage);
    fullMs.set(fromStorage, (await pullUntilKilled([path, source], 600_000)) ?? 0);
    expected ??= commitOf(path);
  }
  for (let tried = 0; killed < count && tried < count * TRIES_MAX; tried += 1) {
    const fromStorage = tried % 2 === 1;
    const source = await begin(fromStorage);
    const mostMs = fullMs.get(fromStorage) ?? 0;
    const afterMs = Math.random() * mostMs;
    const at = `from ${source}, killed after ${afterMs.toFixed(0)} of ${mostMs.toFixed(0)} ms`;
    const tookMs = await pullUntilKilled([path, source], afterMs);
    if (tookMs !== undefined) fullMs.set(fromStorage, tookMs);
    else {
      killed += 1;
      if (tried % 3 === 2) await pullUntilKilled([path, source], Math.random() * mostMs);
    }
    using sysroot = openSysroot(path);
    for (const problem of await brokenPromises(sysroot)) wrong.push(`${at}: ${problem}`);
    try {
      const done = await unifiedPull(sysroot, source, { mode: 'enabled', target: KILL_TARGET });
      if (done.ostree?.commit !== expected) wrong.push(`${at}: another commit afterwards`);
      wrong.push(...(await leftWrong(sysroot)).map((problem) => `${at}: afterwards ${problem}`));
    } catch (error) {
      wrong.push(`${at}: the next pull failed: ${error}`);
    }
  }
  if (killed < count) wrong.push(`only ${killed} of ${count} pulls were killed before they ended`);
  return { killed, wrong };
}

/** An image of two layers and some files. */
export function writeKillImage(path: string) {
  const files = (layer: number) =>
    Array.from({ length: 60 }, (_, file) => ({
      name: `usr/f${layer}-${file}`,
      content: noise(100 + ((file * 977) % 9000), layer * 1000 + file),
    }));
  const layers = [1, 2].map((layer) => ({
    tar: testTar([{ name: 'usr/', flag: '5', mode: 0o755 }, ...files(layer)]),
  }));
  return writeTestLayout(path, layers);
}

/** @returns how long the pull took when it was faster */
async function pullUntilKilled(
  args: readonly string[],
  afterMs: number,
): Promise<number | undefined> {
  const child = fork(CHILD, [...args, KILL_TARGET], { stdio: 'ignore' });
  const exit = once(child, 'exit');
  await once(child, 'message');
  const start = performance.now();
  const timer = setTimeout(() => child.kill('SIGKILL'), afterMs);
  const [status] = (await exit) as [number | null];
  clearTimeout(timer);
  if (status !== 0 && status !== null) throw new Error(`the pull ended with ${status}`);
  return status === 0 ? performance.now() - start : undefined;
}

function commitOf(path: string): string | undefined {
  using sysroot = openSysroot(path);
  using repo = sysroot.openOstree();
  return repo?.refs.list()[0]?.checksum;
}

/** What is visible, and not whole: refs, tags and images of containers-storage lead to complete things at any time. */
export async function brokenPromises(sysroot: Sysroot): Promise<string[]> {
  const problems: string[] = [];
  using stores = await openStores(sysroot);
  const { ostree, storage, composefs } = stores;
  for (const { name, checksum } of ostree?.refs.list() ?? []) {
    const lookup: MetadataLookup = (object, kind) => ostree?.readMetadata(kind, object);
    for (const { kind, checksum: object, isMissing } of walkCommit(checksum, lookup)) {
      const isThere =
        kind !== 'file' || ostree?.root.lstat(ostreeObjectPath(object, 'file')) !== undefined;
      if (isMissing || !isThere) problems.push(`ref ${name} lacks ${kind} ${object}`);
    }
  }
  for (const row of storage?.snapshot.images ?? []) storage?.chainOf(row);
  problems.push(
    ...(storage?.snapshot.damaged ?? []).map(({ path, problem }) => `${path}: ${problem}`),
  );
  if (composefs !== undefined) {
    const { findings } = await checkRepository(composefs, {});
    problems.push(...findings.map(({ kind, detail }) => `composefs: ${kind}: ${detail}`));
  }
  return problems;
}

/** What the stores' own checks find, and the check across them. */
export async function leftWrong(sysroot: Sysroot): Promise<string[]> {
  const problems = await brokenPromises(sysroot);
  const { images, ok } = await checkUnified(sysroot, { extents: true });
  if (!ok || images.length !== 1) {
    problems.push(JSON.stringify(images.flatMap(({ findings }) => findings)));
  }
  const program = findProgram('ostree');
  if (program !== undefined) {
    const fsck = spawnSync(program, ['fsck', '--quiet', '--repo', sysroot.ostreePath], {
      encoding: 'utf8',
    });
    if (fsck.status !== 0) problems.push(`ostree fsck: ${fsck.stderr}`);
  }
  return problems;
}
