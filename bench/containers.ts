/**
 * An image between containers-storage and a repository, both ways by reflink, on one XFS as root: ours beside `cfsctl oci pull
 * containers-storage:`, `skopeo copy oci: containers-storage:` and `cp -r --reflink=always` of the same files.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeSampleImage } from '../tools/sample-image.ts';
import type { Bench, BenchOptions, Row } from './bench.ts';
import { type CorpusShape, corpusMembers, QUICK_CORPUS } from './corpus.ts';
import { prepareDisk, remove } from './disk.ts';
import { type Contender, compare } from './measure.ts';
import { packedOnecopy } from './packed.ts';
import { findProgram } from './peers.ts';
import { rowsOf } from './rows.ts';

/** As large as an image of a distribution with a desktop. */
const CORPUS: CorpusShape = { files: 30_000, meanBytes: 15_000, seed: 2 };
const NAME = 'localhost/bench:1';

/** A contender with the most that we may take of its time. */
type Peer = Contender & { readonly goal: number };

/** A graph root with the image, as skopeo puts it there; returns its part of a reference. */
function fillStore(disk: string, source: string): string {
  const place = `[overlay@${join(disk, 'graph')}+${join(disk, 'run')}]`;
  run('skopeo', ['copy', '-q', '--insecure-policy', source, `containers-storage:${place}${NAME}`]);
  return place;
}

function run(program: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} failed with status ${status}: ${stderr}`);
}

/** From the store of podman into a repository. */
function imports(disk: string, place: string): Peer[] {
  const [ours, theirs, conf] = ['ours', 'theirs', 'storage.conf'].map((name) => join(disk, name));
  if (ours === undefined || theirs === undefined || conf === undefined) return [];
  writeFileSync(
    conf,
    `[storage]\ndriver = "overlay"\ngraphroot = "${disk}/graph"\nrunroot = "${disk}/run"\n`,
  );
  const cfsctl = findProgram('cfsctl');
  const peer =
    cfsctl === undefined
      ? []
      : [
          {
            name: 'cfsctl oci pull --local-fetch zerocopy',
            goal: 0.7,
            argv: [
              ...[cfsctl, '--repo', theirs, 'oci', 'pull', '--local-fetch', 'zerocopy'],
              ...[`containers-storage:${NAME}`, 'bench'],
            ],
            env: { CONTAINERS_STORAGE_CONF: conf, CONTAINERS_STORAGE_ROOT: join(disk, 'graph') },
            before() {
              remove(theirs);
              run(cfsctl, ['--repo', theirs, 'init', '--insecure']);
            },
          },
        ];
  const source = `containers-storage:${place}${NAME}`;
  return [
    {
      name: 'onecopy pull',
      goal: 1,
      argv: [packedOnecopy(), '--repo', ours, '-q', 'pull', '--reflink', 'always', source, 'bench'],
      before: () => remove(ours),
    },
    ...peer,
  ];
}

/** From a repository into an empty store of podman. */
function exports(disk: string, layout: string, files: string): Peer[] {
  const [ours, graph, other, otherRun, copy] = ['ours', 'back', 'other', 'other-run', 'copy'].map(
    (name) => join(disk, name),
  ) as [string, string, string, string, string];
  const target = `containers-storage:[overlay@${graph}]${NAME}`;
  const theirs = `containers-storage:[overlay@${other}+${otherRun}]${NAME}`;
  return [
    {
      name: 'onecopy export',
      goal: 1,
      argv: [packedOnecopy(), '--repo', ours, '-q', 'export', 'bench', target],
      before: () => remove(graph),
    },
    {
      name: 'skopeo copy oci: containers-storage:',
      goal: 0.4,
      argv: ['skopeo', 'copy', '-q', '--insecure-policy', `oci:${layout}:latest`, theirs],
      before: () => remove(other, otherRun),
    },
    {
      name: 'cp -r --reflink=always',
      goal: 1.5,
      argv: ['cp', '-r', '--reflink=always', files, copy],
      before: () => remove(copy),
    },
  ];
}

/** The files of the only layer of a graph root. */
function filesOf(graph: string): string {
  const folder = join(graph, 'overlay');
  const [layer = ''] = readdirSync(folder).filter((name) => /^[0-9a-f]{64}$/.test(name));
  return join(folder, layer, 'diff');
}

async function benchContainers(options: BenchOptions): Promise<readonly Row[]> {
  if (findProgram('skopeo') === undefined) throw new Error('the bench needs skopeo');
  const disk = prepareDisk();
  try {
    const shape = options.quick ? QUICK_CORPUS : CORPUS;
    const layout = join(disk.path, 'layout');
    mkdirSync(layout);
    const members = corpusMembers(shape);
    const { tarBytes } = await writeSampleImage(layout, 'latest', [
      { members, compression: 'gzip' },
    ]);
    const place = fillStore(disk.path, `oci:${layout}:latest`);
    const what = `${(tarBytes / 1e6).toFixed(0)} MB tar, ${shape.files} files`;
    const how = { rounds: options.rounds, warmUp: true };
    const readers = imports(disk.path, place);
    const goalsOf = (peers: readonly Peer[]) => peers.map(({ goal }) => goal);
    const rows = rowsOf(
      `import by reflink, ${what}`,
      await compare(readers, how),
      goalsOf(readers),
    );
    const writers = exports(disk.path, layout, filesOf(join(disk.path, 'graph')));
    const written = await compare(writers, how);
    return [...rows, ...rowsOf(`export by reflink, ${what}`, written, goalsOf(writers))];
  } finally {
    remove(join(disk.path, 'graph'), join(disk.path, 'other'));
    disk.dispose();
  }
}

/** Between the store of podman and ours. */
export const bench: Bench = { name: 'containers', run: benchContainers };
