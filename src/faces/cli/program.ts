import { Command, CommanderError } from 'commander';
import {
  type Context,
  type GlobalOptions,
  progressModeOf,
  selectionOf,
  wholeNumber,
} from './context.ts';
import { createOutput, EXIT_USAGE, reportError } from './output.ts';
import { createProgress } from './progress.ts';
import { GLOBAL_OPTIONS, VERBS, type Verb } from './verbs.ts';
import { VERSION } from './version.ts';

/** Runs the command line and returns its exit status. Everything that goes wrong is reported, nothing is thrown. */
export async function runProgram(argv: readonly string[]): Promise<number> {
  const abort = new AbortController();
  const interrupt = () => abort.abort(new Error('Interrupted; a repeated run goes on from here'));
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  process.stdout.on('error', leaveQuietly);
  let status = 0;
  const program = buildProgram(abort.signal, (code) => {
    status = code;
  });
  try {
    if (argv[0] === 'completion' || argv[0] === 'complete') {
      const { addCompletion } = await import('./completion.ts');
      await addCompletion(program, argv);
    }
    await program.parseAsync([...argv], { from: 'user' });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    return reportError(error, argv.includes('--json'), abort.signal);
  } finally {
    process.removeListener('SIGINT', interrupt);
    process.removeListener('SIGTERM', interrupt);
  }
}

/** A reader of our output that goes away (`onecopy ls x | head`) ends the run without an error. */
function leaveQuietly(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
}

/** The whole command tree; `setStatus` receives the exit status of the verb that ran. */
export function buildProgram(signal: AbortSignal, setStatus: (code: number) => void): Command {
  const program = new Command('onecopy')
    .description('Keeps one copy of every image byte on this host, whichever store reads it')
    .version(`onecopy ${VERSION}`, '-V, --version')
    .helpCommand('help [verb]', 'explain a verb')
    .showSuggestionAfterError()
    .configureOutput({
      outputError: (text, write) => write(`onecopy: ${text.replace(/^error: /, '')}`),
    })
    .exitOverride();
  for (const [flags, description] of GLOBAL_OPTIONS) program.option(flags, description);
  for (const verb of VERBS) addVerb(program, verb, signal, setStatus);
  return program;
}

function addVerb(
  parent: Command,
  verb: Verb,
  signal: AbortSignal,
  setStatus: (code: number) => void,
): void {
  const command = parent.command(verb.usage).description(verb.summary);
  for (const [flags, description, repeated] of verb.options ?? []) {
    if (repeated === 'repeated') command.option(flags, description, collect, []);
    else command.option(flags, description);
  }
  if (verb.help !== undefined) command.addHelpText('after', `\n${verb.help}`);
  for (const inner of verb.verbs ?? []) addVerb(command, inner, signal, setStatus);
  const { load } = verb;
  if (load === undefined) return;
  command.action(async (...parameters: unknown[]) => {
    const self = parameters.at(-1) as Command;
    const operands = parameters
      .slice(0, -2)
      .flat()
      .filter((operand): operand is string => typeof operand === 'string');
    setStatus(await runVerb(load, operands, self.optsWithGlobals(), signal));
  });
}

function collect(value: string, previous: readonly string[]): readonly string[] {
  return [...previous, value];
}

async function runVerb(
  load: NonNullable<Verb['load']>,
  operands: readonly string[],
  options: GlobalOptions & Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<number> {
  if (options.color === false) process.env['NO_COLOR'] = '1';
  const out = createOutput({ json: options.json === true, quiet: options.quiet === true });
  const progress = await createProgress(
    progressModeOf(options),
    wholeNumber(options.progressFd, '--progress-fd', 1),
  );
  const context: Context = {
    out,
    signal,
    onProgress: progress.listen,
    operation: { signal, onProgress: progress.listen },
    selection: selectionOf(options),
    dryRun: options.dryRun === true,
    noTrunc: options.trunc === false,
    verbose: options.verbose === true,
    mayInit: options.init !== false,
    requireVerity: options.requireVerity === true,
    jobs: wholeNumber(options.jobs, '--jobs', 1),
  };
  try {
    const action = await load();
    return (await action(context, operands, options)) ?? 0;
  } finally {
    progress.stop();
  }
}
