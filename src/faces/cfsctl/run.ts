import { isOnecopyError, renderErrorText, UsageError } from '#base/errors';
import { isActivated } from '#work/sockets';
import { renderHelp } from './arguments/help.ts';
import { type Parsed, parseArguments } from './arguments/parse.ts';
import { PROGRAM } from './program.ts';
import { type Handler, Setting, type Surroundings } from './setting.ts';

/** Every error but a wrong command line. Source: oci-and-cli section 1.1. */
const FAILED = 1;
const USAGE = 2;

/**
 * Runs `cfsctl` with arguments (without the program's name) and returns its exit status: 0; 1 for every error; 2 for a wrong command
 * line.
 */
export async function runCfsctl(argv: readonly string[], around: Surroundings): Promise<number> {
  try {
    const shell = around.environment['COMPLETE'];
    if (shell !== undefined && shell !== '') {
      const { complete } = await import('./complete.ts');
      await complete(shell, argv, around);
      return 0;
    }
    // A service manager, or a client that starts its service, passes a socket and says nothing else.
    const words = argv.length === 0 && isActivated() ? ['varlink'] : argv;
    const parsed = parseArguments(words, PROGRAM);
    if (parsed.kind === 'version') {
      await around.write(`${PROGRAM.name} ${PROGRAM.version}\n`);
      return 0;
    }
    if (parsed.kind === 'help') {
      await around.write(renderHelp(PROGRAM, parsed.path));
      return 0;
    }
    return await carryOut(parsed, around);
  } catch (error) {
    return explain(error, around);
  }
}

/** Runs a command. A value that the grammar accepts and the command refuses is an error like others. */
async function carryOut(
  { command, path, globals, given }: Extract<Parsed<Handler>, { kind: 'command' }>,
  around: Surroundings,
): Promise<number> {
  const handle = await command.load();
  try {
    return (await handle(new Setting(path, globals, given, around))) ?? 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    around.warn(`Error: ${renderErrorText(error)}\n`);
    return FAILED;
  }
}

function explain(error: unknown, around: Surroundings): number {
  if (error instanceof UsageError) {
    const reason = error.message === '' ? renderHelp(PROGRAM, []) : `error: ${error.message}\n`;
    around.warn(`${reason}\nFor more information, try '--help'.\n`);
    return USAGE;
  }
  if (!isOnecopyError(error)) throw error;
  around.warn(`Error: ${renderErrorText(error)}\n`);
  return FAILED;
}
