import { plainLine } from '#base/bytes';
import { UsageError } from '#base/errors';

/**
 * Asks on the terminal before a change that cannot be undone; `--yes` answers.
 * @throws UsageError when the answer is not yes, or there is no terminal
 */
export async function confirm(
  { signal }: { readonly signal: AbortSignal },
  assumeYes: boolean,
  question: string,
): Promise<void> {
  if (assumeYes) return;
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new UsageError(
      `Cannot ask "${question}": there is no terminal`,
      'To answer yes, add --yes',
    );
  }
  const { createInterface } = await import('node:readline/promises');
  using terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(`${plainLine(question)} [y/N] `, {
    signal,
  });
  if (!/^y(es)?$/i.test(answer.trim()))
    throw new UsageError(`Cannot go on: "${question}" was not answered with yes`);
}
