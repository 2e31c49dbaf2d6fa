/**
 * The commit of a stored image in an OSTree repository, on one XFS as root: the synthesis beside `ostree commit` of the mounted image, and
 * the classic route, with copies, beside `ostree commit` of the tar of its layer.
 */
import { spawnSync } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { writeTar } from '#formats/tar';
import { writeSampleImage } from '../tools/sample-image.ts';
import type { Bench, BenchOptions, Row } from './bench.ts';
import { type CorpusShape, corpusMembers, QUICK_CORPUS } from './corpus.ts';
import { prepareDisk, remove } from './disk.ts';
import { type Contender, compare, median, type Series } from './measure.ts';
import { packedOnecopy } from './packed.ts';
import { findProgram } from './peers.ts';
import { rowsOf } from './rows.ts';

/** As large as a small image of a distribution. */
const CORPUS: CorpusShape = { files: 20_000, meanBytes: 15_000, seed: 2 };
/** What a file may take at most in the synthesis, in microseconds; the program of bootc takes 300. */
const AIM_US = 100;

/** Where everything lies. */
interface Places {
  readonly repository: string;
  readonly mounted: string;
  readonly tar: string;
  readonly ours: string;
  readonly theirs: string;
}

function run(program: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} failed with status ${status}: ${stderr}`);
}

function ours({ repository, ours: path }: Places, more: readonly string[]): Contender {
  const export_ = ['-q', 'export', 'bench', `ostree-local:${path}:bench`, '--mode', 'bare'];
  return {
    name: `onecopy export ${more.join(' ')}`.trim(),
    argv: [packedOnecopy(), '--repo', repository, ...export_, ...more],
    before: () => remove(path),
  };
}

function theirs({ theirs: path }: Places, tree: string, more: readonly string[]): Contender {
  const from = `--tree=${tree}`;
  return {
    name: `ostree commit --tree=${tree.slice(0, tree.indexOf('='))}=`,
    argv: ['ostree', 'commit', `--repo=${path}`, '-b', 'bench', '--no-bindings', from, ...more],
    before() {
      remove(path);
      run('ostree', ['init', `--repo=${path}`, '--mode=bare']);
    },
  };
}

function perFile([series]: readonly Series[], files: number): Row {
  const medianUs = (median((series?.costs ?? []).map(({ wallSec }) => wallSec)) * 1e6) / files;
  return {
    what: `synthesis, whole command, for each of ${files} files in units of ${AIM_US} µs`,
    peer: 'aim',
    ratio: medianUs / AIM_US,
    goal: 1,
    detail: `${medianUs.toFixed(0)} µs`,
  };
}

async function benchCommits(options: BenchOptions): Promise<readonly Row[]> {
  if (findProgram('ostree') === undefined) throw new Error('the bench needs ostree');
  const disk = prepareDisk();
  const at = (name: string) => join(disk.path, name);
  const places: Places = {
    repository: at('repo'),
    mounted: at('mounted'),
    tar: at('layer.tar'),
    ours: at('ours'),
    theirs: at('theirs'),
  };
  try {
    const shape = options.quick ? QUICK_CORPUS : CORPUS;
    const layer = { members: corpusMembers(shape), compression: 'none' } as const;
    const { tarBytes } = await writeSampleImage(at('layout'), 'latest', [layer]);
    const tar = Readable.from(writeTar(corpusMembers(shape)));
    await pipeline(tar, createWriteStream(places.tar));
    const onecopy = [packedOnecopy(), '--repo', places.repository, '-q'] as const;
    const call = (...args: string[]) => run(onecopy[0], [...onecopy.slice(1), ...args]);
    call('pull', `oci:${at('layout')}:latest`, 'bench');
    mkdirSync(places.mounted);
    call('mount', 'bench', places.mounted);
    const what = `${(tarBytes / 1e6).toFixed(0)} MB tar, ${shape.files} files`;
    const how = { rounds: options.rounds, warmUp: true };
    const contenders = [
      ours(places, ['--reflink', 'always']),
      theirs(places, `dir=${places.mounted}`, []),
    ];
    const synthesis = await compare(contenders, how);
    const importers = [
      ours(places, ['--route', 'classic', '--reflink', 'never']),
      theirs(places, `tar=${places.tar}`, ['--tar-autocreate-parents']),
    ];
    const classic = await compare(importers, how);
    return [
      ...rowsOf(`commit by synthesis, ${what}`, synthesis, [1, 0.7]),
      perFile(synthesis, shape.files),
      ...rowsOf(`commit by the classic route, copies, ${what}`, classic, [1, 1]),
    ];
  } finally {
    spawnSync('umount', [places.mounted]);
    disk.dispose();
  }
}

/** Commits of images. */
export const bench: Bench = { name: 'commits', run: benchCommits };
