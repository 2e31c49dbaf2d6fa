import { once } from 'node:events';
import { renderErrorText } from '#base/errors';
import { leave, reportOutputErrors, stderr, stdout } from '#faces/terminal';
import { runCfsctl } from './run.ts';

/** Runs `cfsctl` on the descriptors of this process. */
export async function main(argv: readonly string[]): Promise<void> {
  reportOutputErrors((error) => `cfsctl: ${renderErrorText(error)}`);
  const interruption = new AbortController();
  let ending: 'SIGINT' | 'SIGTERM' | undefined;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      ending = signal;
      interruption.abort();
    });
  }
  try {
    const status = await runCfsctl(argv, {
      write: writeOut,
      warn: (text) => stderr.write(text),
      readInput: () => process.stdin,
      isTerminal: process.stdout.isTTY === true,
      signal: interruption.signal,
      environment: process.env,
    });
    leave(status);
  } catch (error) {
    if (ending === undefined) throw error;
    // Everything is cleaned up: now the signal may do what it does to any program.
    process.removeAllListeners(ending);
    process.kill(process.pid, ending);
  }
}

/** What is for other programs goes out as it is; what a terminal would obey is the reader's business, as with the original. */
async function writeOut(piece: string | Uint8Array): Promise<void> {
  if (typeof piece === 'string' && process.stdout.isTTY === true) {
    stdout.write(piece);
    return;
  }
  if (!stdout.stream.write(piece)) await once(stdout.stream, 'drain');
}

if (import.meta.main) await main(process.argv.slice(2));
