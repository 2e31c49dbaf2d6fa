/**
 * An image of containers-storage through composefs into OSTree, by reflink, on one XFS as root, beside `cp -r --reflink=always` of the same
 * files, twice: what two stages cost that only share extents.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeSampleImage } from '../tools/sample-image.ts';
import type { Bench, BenchOptions, Row } from './bench.ts';
import { type CorpusShape, corpusMembers, QUICK_CORPUS } from './corpus.ts';
import { prepareDisk, remove } from './disk.ts';
import { type Contender, compare } from './measure.ts';
import { packedOnecopy } from './packed.ts';
import { rowsOf } from './rows.ts';

/** As large as a small image of a distribution. */
const CORPUS: CorpusShape = { files: 20_000, meanBytes: 15_000, seed: 2 };
const NAME = 'quay.io/bench/os:1';

function pull(sysroot: string, reference: string, ...more: string[]): readonly string[] {
  return [packedOnecopy(), '--sysroot', sysroot, '-q', 'unified', 'pull', reference, ...more];
}

/** The stages from containers-storage on, as in a system that has never had the image in its other stores. */
function ours(sysroot: string): Contender {
  const stores = ['composefs', 'ostree/repo'].map((path) => join(sysroot, path));
  return {
    name: 'onecopy unified pull',
    argv: pull(sysroot, `containers-storage:${NAME}`, '--mode', 'enabled'),
    before: () => remove(...stores),
  };
}

function copies(files: string, first: string, second: string): Contender {
  const script = 'cp -r --reflink=always "$1" "$2" && cp -r --reflink=always "$2" "$3"';
  return {
    name: 'cp -r --reflink=always, twice',
    argv: ['/bin/sh', '-c', script, 'sh', files, first, second],
    before: () => remove(first, second),
  };
}

/** The files of the only layer of a graph root. */
function filesOf(graph: string): string {
  const folder = join(graph, 'overlay');
  const [layer = ''] = readdirSync(folder).filter((name) => /^[0-9a-f]{64}$/.test(name));
  return join(folder, layer, 'diff');
}

async function benchUnified(options: BenchOptions): Promise<readonly Row[]> {
  const disk = prepareDisk();
  const at = (name: string) => join(disk.path, name);
  const graph = at('sysroot/ostree/bootc/storage');
  try {
    const shape = options.quick ? QUICK_CORPUS : CORPUS;
    const layer = { members: corpusMembers(shape), compression: 'none' } as const;
    const { tarBytes } = await writeSampleImage(at('layout'), 'latest', [layer]);
    mkdirSync(at('sysroot'));
    const target = ['--mode', 'enabled', '--target', `docker://${NAME}`];
    const [program = '', ...args] = pull(at('sysroot'), `oci:${at('layout')}:latest`, ...target);
    const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`the pull failed with status ${status}: ${stderr}`);
    const contenders = [ours(at('sysroot')), copies(filesOf(graph), at('first'), at('second'))];
    const series = await compare(contenders, { rounds: options.rounds, warmUp: true });
    const what = `${(tarBytes / 1e6).toFixed(0)} MB tar, ${shape.files} files`;
    return rowsOf(`containers-storage to composefs to OSTree, ${what}`, series, [1, 1.5]);
  } finally {
    remove(graph);
    disk.dispose();
  }
}

/** Three stores. */
export const bench: Bench = { name: 'unified', run: benchUnified };
