import { once } from 'node:events';
import { plainText } from '#base/bytes';
import { isOnecopyError, renderErrorText, UsageError } from '#base/errors';
import { reportOutputErrors, stderr, stdout } from '#faces/terminal';

/** Characters that are buffered before a write. */
const PIECE_LENGTH = 64 * 1024;
/** True if `cfsctl` was called for mkcomposefs or composefs-info. */
export const IS_CFSCTL = process.env['ONECOPY_CALLED_AS'] === 'cfsctl';
/** The release whose tools answer by the name of `cfsctl`. */
const UPSTREAM_RELEASE = '0.9.4';
/** The C tools exit with 1 for a wrong command line, `cfsctl` with 2. */
const USAGE_STATUS = IS_CFSCTL ? 2 : 1;

/** A failure in the words of the C tool, without the usage; the cause says more. */
export class ToolError extends Error {}

/**
 * Runs a program with the exit codes of the C tools: 0 for success, 1 for every failure, usage errors included. The reason is printed on
 * standard error.
 */
export async function runTool(
  program: string,
  usage: string,
  work: () => Promise<void> | void,
): Promise<number> {
  reportOutputErrors((error) => `${program}: ${renderErrorText(error)}`);
  try {
    await work();
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      stderr.stream.write(plainText(error.message === '' ? usage : `${error.message}\n${usage}`));
      return USAGE_STATUS;
    }
    if (isOnecopyError(error) || error instanceof ToolError) {
      stderr.stream.write(plainText(`${program}: ${renderErrorText(error)}\n`));
      return 1;
    }
    throw error;
  }
}

/** True if the tool was called by `cfsctl` for its version, which is then printed; the C tools have no such option. */
export function printsVersion(program: string, [first]: readonly string[]): boolean {
  if (!IS_CFSCTL || (first !== '--version' && first !== '-V')) return false;
  stdout.stream.write(`${program} ${UPSTREAM_RELEASE}\n`);
  return true;
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
