/**
 * What starting costs: `onecopy --version` over the bare runtime, and the small verbs on a small repository beside `cfsctl`. The
 * program is the packed one, started by its own launcher, with a warm compile cache as after its first run.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Bench, BenchOptions, Row } from './bench.ts';
import { type Contender, compare, type Series } from './measure.ts';
import { packedOnecopy } from './packed.ts';
import { findProgram } from './peers.ts';

const LAYOUT = fileURLToPath(new URL('../test/golden/cfsctl/oci/basic/layout', import.meta.url));
/** Goal for `--version` over the bare start. */
const VERSION_GOAL_MS = 5;
/** Node itself starts in the time of several native programs; a verb that has little to do is that, twice over. */
const START_GOAL = 12;
/** Starts are short and noisy: many rounds for each one asked for. */
const STARTS_PER_ROUND = 10;

/** The fastest start: what else the machine does can only add to it. */
function fastestMs({ costs }: Series): number {
  return Math.min(...costs.map(({ wallSec }) => wallSec)) * 1000;
}

/** The packed program by its own launcher, without the one that `packed.ts` puts before it. */
function onecopy(): Required<Pick<Contender, 'argv' | 'env'>> {
  const home = join(dirname(packedOnecopy()), 'package');
  const PATH = `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`;
  return {
    argv: [join(home, 'bin/onecopy')],
    env: { PATH, NODE_COMPILE_CACHE: join(home, 'cache') },
  };
}

async function compareVersion(scratch: string, rounds: number): Promise<Row> {
  const empty = join(scratch, 'empty.mjs');
  writeFileSync(empty, '');
  const program = onecopy();
  const contenders: readonly Contender[] = [
    { name: 'onecopy --version', ...program, argv: [...program.argv, '--version'] },
    { name: 'node', argv: [process.execPath, empty] },
  ];
  const [ours, bare] = await compare(contenders, { rounds, warmUp: true });
  if (ours === undefined || bare === undefined) throw new Error('a series is missing');
  return {
    what: '`--version` minus the bare start of Node, in ms (not a ratio)',
    peer: 'an empty program',
    ratio: fastestMs(ours) - fastestMs(bare),
    goal: VERSION_GOAL_MS,
    detail: `fastest of ${rounds}: ${fastestMs(ours).toFixed(1)} ms against ${fastestMs(bare).toFixed(1)} ms`,
  };
}

/** `images` beside `cfsctl`, whose start-up is that of a native program. */
async function compareVerbs(scratch: string, rounds: number): Promise<Row[]> {
  const cfsctl = findProgram('cfsctl');
  if (cfsctl === undefined) return [];
  const repo = join(scratch, 'repo');
  const { argv, env } = onecopy();
  const command = [...argv, '--repo', repo, '-q'];
  const pulled = spawnSync(packedOnecopy(), [
    ...command.slice(1),
    'pull',
    `oci:${LAYOUT}:latest`,
    'app',
  ]);
  if (pulled.status !== 0) throw new Error(`the pull failed: ${pulled.stderr}`);
  const images = await compare(
    [
      { name: 'onecopy images', argv: [...command, 'images'], env },
      { name: 'cfsctl oci images', argv: [cfsctl, '--repo', repo, 'oci', 'images'] },
    ],
    { rounds, warmUp: true },
  );
  const [ours, theirs] = images;
  if (ours === undefined || theirs === undefined) throw new Error('a series is missing');
  return [
    {
      what: '`images` of a small repository',
      peer: theirs.name,
      ratio: fastestMs(ours) / fastestMs(theirs),
      goal: START_GOAL,
      detail: `fastest of ${rounds}: ${fastestMs(ours).toFixed(1)} ms against ${fastestMs(theirs).toFixed(1)} ms`,
    },
  ];
}

async function benchStartup({ rounds }: BenchOptions): Promise<readonly Row[]> {
  const scratch = mkdtempSync(join(tmpdir(), 'onecopy-startup-'));
  try {
    const starts = rounds * STARTS_PER_ROUND;
    return [await compareVersion(scratch, starts), ...(await compareVerbs(scratch, starts))];
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The bench of starting. */
export const bench: Bench = { name: 'startup', run: benchStartup };
