import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { cliEnvironment, ONECOPY } from './run-cli.ts';

/** Milliseconds of a tick in which Linux counts the time of processes (USER_HZ is 100 on every architecture of Node). */
const TICK_MS = 10;
const POLL_MS = 2;

/** What a run did with a signal. Times in milliseconds; processor time is of all threads, in steps of 10. */
export interface Interrupted {
  /** False for a run that was done before the moment came. */
  readonly wasReached: boolean;
  readonly status: number | null;
  readonly endedBy: NodeJS.Signals | null;
  /** From the signal to the end. */
  readonly wallMs: number;
  /** Used after the signal. */
  readonly cpuMs: number;
  /** Used from the start to the end. */
  readonly usedMs: number;
  readonly stderr: string;
}

/** Processor time that a process has used; undefined when it is gone. Source: proc(5), fields 14 and 15. */
function cpuMsOf(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch {
    return undefined;
  }
}

/**
 * Runs `onecopy` and sends it SIGINT when it has used so much processor time: a moment of its work, however busy the machine is.
 * @param program another launcher of it
 */
export async function interruptAt(
  args: readonly string[],
  moment: { readonly cpuMs: number },
  program: string = ONECOPY,
): Promise<Interrupted> {
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: cliEnvironment(),
  });
  let stderr = '';
  child.stderr.on('data', (piece: Buffer) => {
    stderr += piece.toString();
  });
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  const pid = child.pid ?? 0;
  const isRunning = () => child.exitCode === null && child.signalCode === null;
  let usedMs = 0;
  while (isRunning() && usedMs < moment.cpuMs) {
    await sleep(POLL_MS);
    usedMs = cpuMsOf(pid) ?? usedMs;
  }
  const wasReached = isRunning();
  const before = wasReached ? (cpuMsOf(pid) ?? usedMs) : usedMs;
  const start = performance.now();
  child.kill('SIGINT');
  while (isRunning()) {
    usedMs = cpuMsOf(pid) ?? usedMs;
    await sleep(POLL_MS);
  }
  const wallMs = performance.now() - start;
  const [status, endedBy] = await ended;
  const cpuMs = Math.max(0, usedMs - before);
  return { wasReached, status, endedBy, wallMs, cpuMs, usedMs, stderr };
}
