/**
 * Pulling one large gzip image: ours into a composefs repository, beside `skopeo copy` into containers-storage, `umoci
 * unpack` and `cfsctl oci pull`; then fsck and gc of the big repository beside `cfsctl`. Everything lies on one XFS with
 * reflink on a loop device, as root; elsewhere in a plain folder.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
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
    rows.push(...(await benchChecks(disk.path, options)));
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
async function benchChecks(disk: string, options: BenchOptions): Promise<Row[]> {
  const cfsctl = findProgram('cfsctl');
  if (cfsctl === undefined) return [];
  const [ours, theirs] = [join(disk, 'ours'), join(disk, 'cfsctl')];
  const fsck = await compare(
    [
      { name: 'onecopy fsck', argv: [packedOnecopy(), '--repo', ours, '-q', 'fsck'] },
      { name: 'cfsctl fsck', argv: [cfsctl, '--repo', theirs, 'fsck'] },
    ],
    { rounds: options.rounds, warmUp: true },
  );
  const gc = await compare(
    [
      { name: 'onecopy gc', argv: [packedOnecopy(), '--repo', ours, '-q', 'gc'] },
      { name: 'cfsctl gc', argv: [cfsctl, '--repo', theirs, 'gc'] },
    ],
    { rounds: options.rounds, warmUp: true },
  );
  const full = await compare(removals(disk, ours, theirs, cfsctl), {
    rounds: Math.min(3, options.rounds),
  });
  return [
    ...rowsOf('fsck', fsck, [1, 0.7]),
    ...rowsOf('gc, nothing to remove', gc, [1, 0.7]),
    ...rowsOf('gc, everything to remove', full, [1, 0.7]),
  ];
}

/** gc of a copy whose only tag is gone. */
function removals(disk: string, ours: string, theirs: string, cfsctl: string): Contender[] {
  const copy = join(disk, 'copy');
  const renew = (from: string) => {
    remove(copy);
    cpSync(from, copy, { recursive: true, verbatimSymlinks: true });
    rmSync(join(copy, 'streams/refs/oci/bench'));
  };
  return [
    {
      name: 'onecopy gc',
      argv: [packedOnecopy(), '--repo', copy, '-q', 'gc'],
      before: () => renew(ours),
    },
    { name: 'cfsctl gc', argv: [cfsctl, '--repo', copy, 'gc'], before: () => renew(theirs) },
  ];
}

/** The bench of the main job. */
export const bench: Bench = { name: 'pull', run: benchPull };
