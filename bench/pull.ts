/**
 * Pulling one large gzip image: ours into a composefs repository, beside `skopeo copy` into containers-storage, `umoci
 * unpack` and `cfsctl oci pull`; then fsck and gc of the big repository beside `cfsctl`. Everything lies on one XFS with
 * reflink on a loop device, as root; elsewhere in a plain folder.
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeSampleImage } from '../tools/sample-image.ts';
import type { Bench, BenchOptions, Row } from './bench.ts';
import { corpusMembers, PULL_CORPUS, QUICK_CORPUS } from './corpus.ts';
import { prepareDisk, remove } from './disk.ts';
import { type Contender, compare, type Series } from './measure.ts';
import { packedOnecopy } from './packed.ts';
import { findProgram } from './peers.ts';
import { peak, rowsOf } from './rows.ts';

/** Everyone who can pull on this machine; ours first. */
function pullers(disk: string): (Contender & { readonly goal: number })[] {
  const layout = join(disk, 'layout');
  const [ours, theirs, graph, run, bundle] = ['ours', 'cfsctl', 'graph', 'run', 'bundle'].map(
    (name) => join(disk, name),
  ) as [string, string, string, string, string];
  const cfsctl = findProgram('cfsctl');
  const skopeo = findProgram('skopeo');
  const umoci = findProgram('umoci');
  const store = `containers-storage:[overlay@${graph}+${run}]bench:latest`;
  const source = `oci:${layout}:latest`;
  const all: (Contender & { readonly goal: number })[] = [
    {
      name: 'onecopy pull',
      goal: 1,
      argv: [packedOnecopy(), '--repo', ours, '-q', 'pull', source, 'bench'],
      before: () => remove(ours),
    },
  ];
  if (cfsctl !== undefined) {
    all.push({
      name: 'cfsctl oci pull',
      goal: 0.5,
      argv: [cfsctl, '--repo', theirs, 'oci', 'pull', source, 'bench'],
      before() {
        remove(theirs);
        spawnSync(cfsctl, ['--repo', theirs, 'init', '--insecure']);
      },
    });
  }
  if (skopeo !== undefined) {
    all.push({
      name: 'skopeo copy containers-storage',
      goal: 0.35,
      argv: [skopeo, 'copy', '-q', '--insecure-policy', source, store],
      before: () => remove(graph, run),
    });
  }
  if (umoci !== undefined) {
    const rootless = process.getuid?.() === 0 ? [] : ['--rootless'];
    all.push({
      name: 'umoci unpack',
      goal: 0.3,
      argv: [umoci, 'unpack', ...rootless, '--image', `${layout}:latest`, bundle],
      before: () => remove(bundle),
    });
  }
  return all;
}

async function benchPull(options: BenchOptions): Promise<Row[]> {
  const disk = prepareDisk();
  try {
    const shape = options.quick ? QUICK_CORPUS : PULL_CORPUS;
    const layout = join(disk.path, 'layout');
    options.say('making the image …');
    const made = await writeSampleImage(layout, 'latest', [
      { members: corpusMembers(shape), compression: 'gzip' },
    ]);
    options.say(`${(made.tarBytes / 1e6).toFixed(0)} MB of tar, ${shape.files} files`);
    const contenders = pullers(disk.path);
    const pulls = await compare(contenders, { rounds: options.rounds, warmUp: true });
    const rows = rowsOf(
      `pull, gzip, ${(made.tarBytes / 1e6).toFixed(0)} MB tar, ${shape.files} files`,
      pulls,
      contenders.map(({ goal }) => goal),
    );
    rows.push(...(await benchDoubled(disk.path, pulls[0], options)));
    rows.push(...(await benchChecks(contenders, options)));
    return rows;
  } finally {
    disk.dispose();
  }
}

/** The same pull with a layer of twice the size: the peak of memory must stay. */
async function benchDoubled(
  disk: string,
  single: Series | undefined,
  options: BenchOptions,
): Promise<Row[]> {
  const shape = options.quick ? QUICK_CORPUS : PULL_CORPUS;
  const layout = join(disk, 'doubled');
  await writeSampleImage(layout, 'latest', [
    { members: corpusMembers({ ...shape, meanBytes: shape.meanBytes * 2 }), compression: 'gzip' },
  ]);
  const repository = join(disk, 'ours-doubled');
  const [doubled] = await compare(
    [
      {
        name: 'onecopy pull, layer doubled',
        argv: [
          packedOnecopy(),
          '--repo',
          repository,
          '-q',
          'pull',
          `oci:${layout}:latest`,
          'bench',
        ],
        before: () => remove(repository),
      },
    ],
    { rounds: Math.min(3, options.rounds) },
  );
  remove(repository, layout);
  if (doubled === undefined || single === undefined) return [];
  return [
    {
      what: 'peak RSS, layer of twice the bytes',
      peer: 'onecopy pull, single layer',
      ratio: peak(doubled) / peak(single),
      goal: 1.15,
      detail: `${peak(doubled).toFixed(0)} MB against ${peak(single).toFixed(0)} MB; the limit is 300 MB`,
    },
  ];
}

/** fsck and gc of the repositories that the last pulls left; both hold the same image. */
async function benchChecks(pullers: readonly Contender[], options: BenchOptions): Promise<Row[]> {
  const checked = pullers.filter(({ argv }) => argv[1] === '--repo');
  if (checked.length < 2) return [];
  const verb = (name: string): Contender[] =>
    checked.map(({ argv: [program = '', option = '', path = ''] }, at) => ({
      name: `${at === 0 ? 'onecopy' : 'cfsctl'} ${name}`,
      argv: [program, option, path, ...(at === 0 ? ['-q'] : []), name],
    }));
  const { rounds } = options;
  const fsck = await compare(verb('fsck'), { rounds, warmUp: true });
  const gc = await compare(verb('gc'), { rounds, warmUp: true });
  const full = await compare(removals(checked, verb('gc')), { rounds: Math.min(3, rounds) });
  return [
    ...rowsOf('fsck', fsck, [1, 0.7]),
    ...rowsOf('gc, nothing to remove', gc, [1.15, 0.7]),
    ...rowsOf('gc, everything to remove', full, [1, 0.7]),
  ];
}

/** gc of a repository that was just pulled into, as it then lies on the disk, and whose only tag is gone. */
function removals(pullers: readonly Contender[], gcs: readonly Contender[]): Contender[] {
  return gcs.map((gc, at) => ({
    ...gc,
    before() {
      const puller = pullers[at];
      const [program = '', ...args] = puller?.argv ?? [];
      puller?.before?.();
      const { status } = spawnSync(program, args);
      if (status !== 0) throw new Error(`${puller?.name} failed with status ${status}`);
      rmSync(join(args[1] ?? '', 'streams/refs/oci/bench'));
    },
  }));
}

/** The bench of the main job. */
export const bench: Bench = { name: 'pull', run: benchPull };
