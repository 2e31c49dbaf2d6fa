import { once } from 'node:events';
import { plainText } from '#base/bytes';
import { isOnecopyError, renderErrorText, UsageError } from '#base/errors';
import { stderr, stdout } from '#faces/terminal';

/** Characters that are buffered before a write. */
const PIECE_LENGTH = 64 * 1024;

/**
 * Runs a program with the exit codes of the C tools: 0 for success, 1 for every failure, usage errors included. The reason is printed on
 * standard error.
 */
export async function runTool(
  program: string,
  usage: string,
  work: () => Promise<void> | void,
): Promise<number> {
  try {
    await work();
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      stderr.stream.write(plainText(error.message === '' ? usage : `${error.message}\n${usage}`));
    } else if (isOnecopyError(error)) {
      stderr.stream.write(plainText(`${program}: ${renderErrorText(error)}\n`));
    } else throw error;
    return 1;
  }
}

/** Writes lines to standard output, waiting for a slow reader. */
export async function printLines(lines: Iterable<string>): Promise<void> {
  let text = '';
  for (const line of lines) {
    text += line;
    if (text.length < PIECE_LENGTH) continue;
    if (!stdout.stream.write(text, 'latin1')) await once(stdout.stream, 'drain');
    text = '';
  }
  stdout.stream.write(text, 'latin1');
}
