import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { RawClient } from './varlink-client.ts';

const BIN = fileURLToPath(new URL('../../bin/', import.meta.url));

/** A service in a process of its own. Disposing ends it by SIGTERM. */
export interface RunningService extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly address: string;
  /** What it printed. */
  readonly output: () => string;
  /** Resolves with the exit status, or the name of the signal. */
  readonly ended: Promise<number | string>;
  connect(): Promise<RawClient>;
}

/** Starts a program of ours with arguments that make it serve at `address`. */
export function startService(
  program: string,
  argv: readonly string[],
  address: string,
): RunningService {
  const child = spawn(`${BIN}${program}`, [...argv, '--address', address], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (piece: Buffer) => {
      output += piece;
    });
  }
  const ended = once(child, 'close').then(([status, signal]) => signal ?? status);
  return {
    child,
    address,
    output: () => output,
    ended,
    connect: () => RawClient.open(address.replace(/^unix:/, '')),
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
