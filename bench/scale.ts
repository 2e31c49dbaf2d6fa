/**
 * What grows with what is stored: one gzip layer of very many small files, in three sizes. Each verb is run once at each size beside
 * `cfsctl`, and the exponent says how its time grows with the number of files: 0 not at all, 1 in proportion.
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
import { peak, seconds } from './rows.ts';

const FILES = [100_000, 400_000, 1_000_000];
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
    const beside =
      second === undefined ? '' : `, cfsctl ${seconds(second)} ${peak(second).toFixed(0)} MB`;
    say(`  ${verb.name}: ${seconds(first)} ${peak(first).toFixed(0)} MB${beside}`);
  };
  note(PULL, await compare(pulls, { rounds: 1 }));
  for (const verb of VERBS) {
    const contenders: Contender[] = [{ name: verb.name, argv: [...onecopy, ...verb.ours] }];
    if (cfsctl !== undefined && verb.theirs !== undefined) {
      contenders.push({ name: 'cfsctl', argv: [cfsctl, '--repo', theirs, ...verb.theirs] });
    }
    // The first run warms what the disk and the compile cache hold.
    note(verb, await compare(contenders, { rounds: 1, warmUp: true }));
  }
  remove(layout, ours, theirs);
}

/** How a cost grows from the smallest size to the largest. */
function exponentOf(points: readonly Point[], cost: (point: Point) => number): number {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined || first === last) return Number.NaN;
  return Math.log(cost(last) / cost(first)) / Math.log(last.files / first.files);
}

const secondsOf = ({ costs }: Series) => costs[0]?.wallSec ?? Number.NaN;

function rowsOf(verb: Scaled, points: readonly Point[]): Row[] {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined) return [];
  const exponent = exponentOf(points, ({ ours }) => secondsOf(ours)).toFixed(2);
  const detail = (text: string) => `${text}; time grows with files^${exponent}`;
  const what = `${verb.name}, ${last.files} files`;
  const { ours, theirs } = last;
  if (theirs === undefined) {
    // Nobody to compare with: the same question of the smallest size.
    const peer = `the same, ${first.files} files`;
    const time = secondsOf(ours) / secondsOf(first.ours);
    const memory = peak(ours) / peak(first.ours);
    return [
      { what: `${what}, time`, peer, ratio: time, goal: 1.3, detail: detail(seconds(ours)) },
      {
        what: `${what}, memory`,
        peer,
        ratio: memory,
        goal: 1.2,
        detail: `${peak(ours).toFixed(0)} MB`,
      },
    ];
  }
  const [timeGoal, memoryGoal] = verb.goals;
  const time = secondsOf(ours) / secondsOf(theirs);
  const memory = peak(ours) / peak(theirs);
  const times = `${seconds(ours)} against ${seconds(theirs)}`;
  const peaks = `${peak(ours).toFixed(0)} MB against ${peak(theirs).toFixed(0)} MB`;
  return [
    { what: `${what}, time`, peer: 'cfsctl', ratio: time, goal: timeGoal, detail: detail(times) },
    { what: `${what}, memory`, peer: 'cfsctl', ratio: memory, goal: memoryGoal, detail: peaks },
  ];
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
