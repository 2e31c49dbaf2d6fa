import { once } from 'node:events';
import { renderErrorText } from '#base/errors';
import { leave, reportOutputErrors, stderr, stdout } from '#faces/terminal';
import { runCfsctl } from './run.ts';

/** The exit status of a program that a signal ended, as a shell counts it. */
const INTERRUPTED = 130;

/** Runs `cfsctl` on the descriptors of this process. */
export async function main(argv: readonly string[]): Promise<void> {
  reportOutputErrors((error) => `cfsctl: ${renderErrorText(error)}`);
  const interruption = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => interruption.abort());
  }
  try {
    const status = await runCfsctl(argv, {
      write: writeOut,
      warn: (text) => stderr.write(text),
      readInput: () => process.stdin,
      isTerminal: process.stdout.isTTY === true,
      signal: interruption.signal,
    });
    leave(status);
  } catch (error) {
    if (!interruption.signal.aborted) throw error;
    leave(INTERRUPTED);
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
