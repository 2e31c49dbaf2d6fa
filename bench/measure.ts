/**
 * Measures whole processes: runs commands in turn (A B C, A B C, …), so that a drift of the machine hits all alike, and
 * compares medians of the ratios within each round.
 */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** One command of a comparison. `before` is not measured, nor is the sync that follows it. */
export interface Contender {
  readonly name: string;
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly before?: () => void;
  readonly after?: () => void;
}

/** What one run cost. */
export interface Cost {
  readonly wallSec: number;
  /** Processor time of the process with its threads, in seconds; NaN unless it was asked for. */
  readonly cpuSec: number;
  /** Highest resident set of the process, sampled; bytes. */
  readonly peakBytes: number;
}

/** All runs of one contender. */
export interface Series {
  readonly name: string;
  readonly costs: readonly Cost[];
}

const SAMPLE_MS = 20;

function peakOf(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/VmHWM:\s+(\d+)/.exec(text)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** The process that a shell runs: its only child; the process itself if it has none. */
function childOf(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return Number(/^\d+/.exec(text)?.[0] ?? pid);
  } catch {
    return pid;
  }
}

/** A shell that runs a program and writes its processor time to descriptor 3. */
const WITH_TIMES = ['/bin/sh', '-c', '"$@"; status=$?; times >&3; exit "$status"', 'sh'];

/** Seconds of processor time of the children of a shell, from the second line of `times`: `0m1.23s 0m0.45s`. */
function cpuOf(times: string): number {
  const [, children = ''] = times.split('\n');
  const parts = [...children.matchAll(/(\d+)m([\d.]+)s/g)];
  if (parts.length === 0) return Number.NaN;
  return parts.reduce(
    (sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds),
    0,
  );
}

async function runOnce(contender: Contender, measuresCpu: boolean): Promise<Cost> {
  contender.before?.();
  // What earlier runs have left unwritten would otherwise be written at the cost of this one, most of all when it syncs.
  spawnSync('sync');
  const argv = measuresCpu ? [...WITH_TIMES, ...contender.argv] : contender.argv;
  const [program = '', ...args] = argv;
  const start = process.hrtime.bigint();
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...contender.env },
  });
  let said = '';
  let times = '';
  (child.stdio[3] as NodeJS.ReadableStream).on('data', (piece: Buffer) => {
    times += piece.toString();
  });
  child.stderr?.on('data', (piece: Buffer) => {
    said = (said + piece.toString()).slice(-2000);
  });
  let peakBytes = 0;
  const sampler = setInterval(() => {
    const pid = child.pid ?? 0;
    peakBytes = Math.max(peakBytes, peakOf(measuresCpu ? childOf(pid) : pid));
  }, SAMPLE_MS);
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    // With `times`, what it said must have arrived.
    child.on(measuresCpu ? 'close' : 'exit', resolve);
  });
  const wallSec = Number(process.hrtime.bigint() - start) / 1e9;
  clearInterval(sampler);
  contender.after?.();
  if (status !== 0) throw new Error(`${contender.name} failed with status ${status}: ${said}`);
  return { wallSec, cpuSec: cpuOf(times), peakBytes };
}

/** Runs all contenders `rounds` times in turn, after one round that is not counted when `warmUp`. */
export async function compare(
  contenders: readonly Contender[],
  options: { readonly rounds: number; readonly warmUp?: boolean; readonly measuresCpu?: boolean },
): Promise<Series[]> {
  const { measuresCpu = false } = options;
  if (options.warmUp === true)
    for (const contender of contenders) await runOnce(contender, measuresCpu);
  const costs = contenders.map((): Cost[] => []);
  for (let round = 0; round < options.rounds; round += 1) {
    for (const [at, contender] of contenders.entries()) {
      costs[at]?.push(await runOnce(contender, measuresCpu));
    }
  }
  return contenders.map(({ name }, at) => ({ name, costs: costs[at] ?? [] }));
}

/** The middle value; the mean of the two middle ones for an even count. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** Median over the rounds of ours divided by theirs, in wall time. */
export function ratio(ours: Series, theirs: Series): number {
  return median(
    ours.costs.map((cost, at) => cost.wallSec / (theirs.costs[at]?.wallSec ?? Number.NaN)),
  );
}
