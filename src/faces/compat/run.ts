import { once } from 'node:events';
import { plainText } from '#base/bytes';
import { isOnecopyError, renderErrorText } from '#base/errors';
import { UsageError } from './options.ts';

/** Characters gathered before they are written. */
const PIECE_LENGTH = 64 * 1024;

/**
 * Runs a program as the C tools run: 0 for success, 1 for every failure, usage mistakes included, and the reason on
 * standard error.
 */
export async function runTool(
  program: string,
  usage: string,
  work: () => Promise<void> | void,
): Promise<number> {
  process.stdout.on('error', leaveQuietly);
  try {
    await work();
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      complain(error.message === '' ? usage : `${error.message}\n${usage}`);
    } else if (isOnecopyError(error)) {
      complain(`${program}: ${renderErrorText(error)}\n`);
    } else throw error;
    return 1;
  }
}

/** Errors may quote what a file says, which must not reach the terminal as it is. */
function complain(text: string): void {
  process.stderr.write(plainText(text));
}

/** A reader of our output that goes away (`composefs-info ls x | head`) ends the run without an error. */
function leaveQuietly(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
}

/** Writes lines to standard output, waiting for a slow reader. */
export async function printLines(lines: Iterable<string>): Promise<void> {
  let text = '';
  for (const line of lines) {
    text += line;
    if (text.length < PIECE_LENGTH) continue;
    if (!process.stdout.write(text, 'latin1')) await once(process.stdout, 'drain');
    text = '';
  }
  process.stdout.write(text, 'latin1');
}
