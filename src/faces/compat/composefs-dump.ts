/**
 * Drop-in for C composefs-dump: reads an image and writes it again, in its version. All operands but the first two are ignored, as C does;
 * a dash is a file of that name.
 */
import { UsageError } from '#base/errors';
import { stdout } from '#faces/terminal';
import { rewriteImage } from '#work/compose';
import { type OptionTable, parseOptions } from './options.ts';
import { runTool } from './run.ts';

const PROGRAM = 'composefs-dump';
const USAGE = 'usage: composefs-dump SRC DEST\n';

/** The options of composefs-dump. The manual page is made from this table. */
export const OPTIONS: OptionTable = { help: { says: 'print the usage' } };

/** Runs composefs-dump with arguments (without the program's name) and returns the exit status. */
export function main(argv: readonly string[]): Promise<number> {
  return runTool(PROGRAM, USAGE, () => {
    const { flags, operands } = parseOptions(argv, OPTIONS, PROGRAM);
    if (flags.has('help')) {
      stdout.stream.write(USAGE);
      return;
    }
    const [source, target] = operands;
    if (source === undefined) throw new UsageError('No source path specified');
    if (target === undefined) throw new UsageError('No destination path specified');
    rewriteImage(source, target);
  });
}

if (import.meta.main) {
  void main(process.argv.slice(2)).then((status) => {
    process.exitCode = status;
  });
}
