/**
 * What grows with what is stored: one gzip layer of very many small files, in three sizes. Each verb is run once at each size beside
 * `cfsctl`, and the exponents say how its time and its memory grow with the number of files: 0 not at all, 1 in proportion.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { writeSampleImage } from '../tools/sample-image.ts';
import type { Bench, BenchOptions, Row } from './bench.ts';
import { corpusMembers } from './corpus.ts';
import { prepareDisk, remove } from './disk.ts';
import { type Contender, compare, type Series } from './measure.ts';
import { packedOnecopy } from './packed.ts';
import { findProgram } from './peers.ts';
import { peak } from './rows.ts';

const FILES = [1_000, 100_000, 400_000, 1_000_000];
const QUICK_FILES = [1_000, 4_000, 10_000];
/** Small files: most are objects, some are inline. */
const MEAN_BYTES = 300;
const PATH = '/usr/share/corpus/d3/f200.txt';

/** A verb by its arguments: ours, and cfsctl's where it has the like. The goals are for the largest size. */
interface Scaled {
  readonly name: string;
  readonly ours: readonly string[];
  readonly theirs: readonly string[] | undefined;
  /** Our time by theirs, our memory by theirs. */
  readonly goals: readonly [time: number, memory: number];
}

const VERBS: readonly Scaled[] = [
  { name: 'fsck', ours: ['fsck'], theirs: ['fsck'], goals: [1, 1] },
  { name: 'gc -n', ours: ['gc', '-n'], theirs: ['gc', '-n'], goals: [1, 1] },
  { name: 'ls', ours: ['ls', 'bench', '/usr/share/corpus/d3'], theirs: undefined, goals: [1, 1] },
  { name: 'stat', ours: ['stat', 'bench', PATH], theirs: undefined, goals: [1, 1] },
  { name: 'cat', ours: ['cat', 'bench', PATH], theirs: undefined, goals: [1, 1] },
];
const PULL: Scaled = { name: 'pull', ours: [], theirs: [], goals: [0.5, 0.4] };

/** What one verb cost at one size. */
interface Point {
  readonly files: number;
  readonly ours: Series;
  readonly theirs: Series | undefined;
}

async function measureSize(
  disk: string,
  files: number,
  points: Map<Scaled, Point[]>,
  say: (text: string) => void,
): Promise<void> {
  const [layout, ours, theirs] = ['layout', 'ours', 'theirs'].map((name) => join(disk, name)) as [
    string,
    string,
    string,
  ];
  say(`making an image of ${files} files …`);
  const members = corpusMembers({ files, meanBytes: MEAN_BYTES, seed: 1 });
  await writeSampleImage(layout, 'latest', [{ members, compression: 'gzip' }]);
  const cfsctl = findProgram('cfsctl');
  const source = `oci:${layout}:latest`;
  const onecopy = [packedOnecopy(), '--repo', ours, '-q'];
  const pulls: Contender[] = [
    { name: 'onecopy pull', argv: [...onecopy, 'pull', source, 'bench'] },
  ];
  if (cfsctl !== undefined) {
    spawnSync(cfsctl, ['--repo', theirs, 'init', '--insecure']);
    const argv = [cfsctl, '--repo', theirs, 'oci', 'pull', source, 'bench'];
    pulls.push({ name: 'cfsctl pull', argv });
  }
  const note = (verb: Scaled, [first, second]: readonly Series[]) => {
    if (first === undefined) return;
    const known = points.get(verb) ?? [];
    points.set(verb, [...known, { files, ours: first, theirs: second }]);
    const beside = second === undefined ? '' : `, cfsctl ${costOf(second)}`;
    say(`  ${verb.name}: ${costOf(first)}${beside}`);
  };
  note(PULL, await compare(pulls, { rounds: 1, measuresCpu: true }));
  for (const verb of VERBS) {
    const contenders: Contender[] = [{ name: verb.name, argv: [...onecopy, ...verb.ours] }];
    if (cfsctl !== undefined && verb.theirs !== undefined) {
      contenders.push({ name: 'cfsctl', argv: [cfsctl, '--repo', theirs, ...verb.theirs] });
    }
    // The first run warms what the disk and the compile cache hold.
    note(
      verb,
      await compare(contenders, {
        rounds: 1,
        warmUp: true,
        measuresCpu: true,
      }),
    );
  }
  remove(layout, ours, theirs);
}

/** How a cost grows from the smallest size to the largest. */
function exponentOf(points: readonly Point[], cost: (point: Point) => number): string {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined || first === last) return 'unknown';
  return (Math.log(cost(last) / cost(first)) / Math.log(last.files / first.files)).toFixed(2);
}

const secondsOf = ({ costs }: Series) => costs[0]?.wallSec ?? Number.NaN;

function timeOf(series: Series): string {
  const cpuSec = series.costs[0]?.cpuSec ?? Number.NaN;
  return `${secondsOf(series).toFixed(2)} s (${cpuSec.toFixed(2)} s of processor time)`;
}

function memoryOf(series: Series): string {
  return `${peak(series).toFixed(0)} MB`;
}

function costOf(series: Series): string {
  return `${timeOf(series)}, ${memoryOf(series)}`;
}

function rowsOf(verb: Scaled, points: readonly Point[]): Row[] {
  return [
    rowOf(verb, points, { name: 'time', goal: verb.goals[0], cost: secondsOf, show: timeOf }),
    rowOf(verb, points, { name: 'memory', goal: verb.goals[1], cost: peak, show: memoryOf }),
  ].filter((row) => row !== undefined);
}

/** One of the two costs of a verb. */
interface Aspect {
  readonly name: 'time' | 'memory';
  /** Beside cfsctl. */
  readonly goal: number;
  readonly cost: (series: Series) => number;
  readonly show: (series: Series) => string;
}

/** Largest ratio of the largest size to the smallest, where there is nobody to compare with. */
const ALONE_GOALS = { time: 1.3, memory: 1.2 } as const;

function rowOf(verb: Scaled, points: readonly Point[], aspect: Aspect): Row | undefined {
  const { name, goal, cost, show } = aspect;
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const what = `${verb.name}, ${last.files} files, ${name}`;
  const { ours, theirs } = last;
  const growth = exponentOf(points, (point) => cost(point.ours));
  if (theirs === undefined) {
    return {
      what,
      peer: `the same, ${first.files} files`,
      ratio: cost(ours) / cost(first.ours),
      goal: ALONE_GOALS[name],
      detail: `${show(ours)}; grows with files^${growth}`,
    };
  }
  const theirGrowth = exponentOf(points, (point) =>
    point.theirs === undefined ? Number.NaN : cost(point.theirs),
  );
  return {
    what,
    peer: 'cfsctl',
    ratio: cost(ours) / cost(theirs),
    goal,
    detail: `${show(ours)} against ${show(theirs)}; grows with files^${growth} against files^${theirGrowth}`,
  };
}

async function benchScale(options: BenchOptions): Promise<Row[]> {
  const disk = prepareDisk();
  const points = new Map<Scaled, Point[]>();
  try {
    for (const files of options.quick ? QUICK_FILES : FILES) {
      await measureSize(disk.path, files, points, options.say);
    }
    return [...points].flatMap(([verb, found]) => rowsOf(verb, found));
  } finally {
    disk.dispose();
  }
}

/** The bench of growth. */
export const bench: Bench = { name: 'scale', run: benchScale };
