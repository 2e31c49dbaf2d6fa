import { Command, CommanderError } from 'commander';
import { leave, stderr, stdout } from '#faces/terminal';
import {
  type Context,
  type GlobalOptions,
  progressModeOf,
  selectionOf,
  wholeNumber,
} from './context.ts';
import { Interruption } from './interruption.ts';
import { createOutput, EXIT_USAGE, reportError, UsageError } from './output.ts';
import { createProgress } from './progress.ts';
import { GLOBAL_OPTIONS, VERBS, type Verb } from './verbs.ts';

export { leave };

/**
 * Runs the command line and returns its exit status. Everything that goes wrong is reported, nothing is thrown.
 * @param version what `--version` says; a parameter, so that the entry answers that without sharing a file with us
 */
export async function runProgram(argv: readonly string[], version: string): Promise<number> {
  using interruption = new Interruption();
  let status = 0;
  const program = buildProgram(version, argv, interruption, (code) => {
    status = code;
  });
  try {
    if (argv[0] === 'completion' || argv[0] === 'complete') {
      const { addCompletion } = await import('./completion.ts');
      await addCompletion(program, argv);
    } else describeCompletion(program);
    await program.parseAsync([...argv], { from: 'user' });
    return status;
  } catch (error) {
    const shown = error instanceof CommanderError ? misuseOf(error) : error;
    if (shown === undefined) return error instanceof CommanderError ? exitOf(error) : 1;
    return reportError(shown, {
      json: argv.includes('--json'),
      verbose: argv.includes('-v') || argv.includes('--verbose'),
      interrupted: interruption.exitStatus,
    });
  }
}

/** Help and version were printed by commander itself; help that nobody asked for is a wrong command line. */
function exitOf(error: CommanderError): number {
  return error.exitCode === 0 ? 0 : EXIT_USAGE;
}

/** What commander has against a command line, in our words; undefined when it only printed help. */
function misuseOf(error: CommanderError): UsageError | undefined {
  if (/^commander\.(help|version)/.test(error.code)) return undefined;
  const [first = '', ...more] = error.message.replace(/^error: /, '').split('\n');
  const guess = /^\(Did you mean (.+)\?\)$/.exec(more.join(' '))?.[1];
  return new UsageError(
    `Cannot read the command line: ${first.replace(/^unknown command/, 'unknown verb').replace(/\.$/, '')}`,
    guess === undefined
      ? 'onecopy help lists the verbs, onecopy help VERB explains one'
      : `did you mean ${guess}?`,
  );
}

/** Words that may need the options of every verb. */
const WORDS_ABOUT_ALL: readonly string[] = ['completion', 'complete', 'help', '--help', '-h'];

/**
 * The command tree; `setStatus` receives the exit status of the verb that ran. Where a word names one, the others are there by name alone:
 * the options of all of them together take a tenth of a short run.
 */
function buildProgram(
  version: string,
  argv: readonly string[],
  interruption: Interruption,
  setStatus: (code: number) => void,
): Command {
  const program = new Command('onecopy')
    .usage('[options] <verb>')
    .description('Keeps one copy of every image byte on this host, whichever store reads it')
    .version(`onecopy ${version}`, '-V, --version')
    .helpCommand(false)
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true, optionDescription: (option) => option.description })
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      outputError: () => {},
    })
    .exitOverride();
  for (const [flags, description] of GLOBAL_OPTIONS) program.option(flags, description);
  program.commandsGroup('Verbs:');
  const isNamed = ({ usage }: Verb) => argv.includes(usage.split(' ', 1)[0] ?? '');
  const isWhole = argv.some((word) => WORDS_ABOUT_ALL.includes(word)) || !VERBS.some(isNamed);
  for (const verb of VERBS) {
    if (isWhole || isNamed(verb)) addVerb(program, verb, interruption, setStatus);
    else program.command(verb.usage).description(verb.summary);
  }
  program
    .command('help [verb...]')
    .description('explain a verb')
    .action((words: readonly string[]) => explain(program, words));
  return program;
}

/** The row of `completion` on the help pages; its code is only loaded when it is the first word. */
function describeCompletion(program: Command): void {
  program
    .command('completion <shell>')
    .description('print a script that completes in bash, zsh or fish, with live names')
    .addHelpText('after', '\nFor bash: source <(onecopy completion bash)')
    .action(() => {
      throw new UsageError(
        'Cannot print a completion script: expected completion as the first word',
      );
    });
}

/** Prints the help of the verb that the words lead to. */
function explain(program: Command, words: readonly string[]): void {
  let command = program;
  for (const word of words) {
    const next = command.commands.find((candidate) => candidate.name() === word);
    // Commander knows how to complain, with a suggestion.
    if (next === undefined) {
      command.parse([word], { from: 'user' });
      throw new UsageError(`Cannot explain "${words.join(' ')}": there is no such verb`);
    }
    command = next;
  }
  command.help();
}

function addVerb(
  parent: Command,
  verb: Verb,
  interruption: Interruption,
  setStatus: (code: number) => void,
): void {
  const command = parent.command(verb.usage).description(verb.summary);
  for (const [flags, description, repeated] of verb.options ?? []) {
    if (repeated === 'repeated') command.option(flags, description, collect, []);
    else command.option(flags, description);
  }
  if (verb.help !== undefined) command.addHelpText('after', `\n${verb.help}`);
  if (verb.verbs !== undefined) {
    command.usage('[options] <verb>').helpCommand(false).commandsGroup('Verbs:');
  }
  for (const inner of verb.verbs ?? []) addVerb(command, inner, interruption, setStatus);
  const { load } = verb;
  if (load === undefined) return;
  command.action(async (...parameters: unknown[]) => {
    const self = parameters.at(-1) as Command;
    const operands = parameters
      .slice(0, -2)
      .flat()
      .filter((operand): operand is string => typeof operand === 'string');
    setStatus(await runVerb(load, operands, self.optsWithGlobals(), interruption));
  });
}

function collect(value: string, previous: readonly string[]): readonly string[] {
  return [...previous, value];
}

async function runVerb(
  load: NonNullable<Verb['load']>,
  operands: readonly string[],
  options: GlobalOptions & Readonly<Record<string, unknown>>,
  interruption: Interruption,
): Promise<number> {
  const { signal } = interruption;
  if (options.color === false) process.env['NO_COLOR'] = '1';
  const out = createOutput({
    json: options.json === true,
    quiet: options.quiet === true,
    verbose: options.verbose === true,
  });
  const progress = await createProgress(
    progressModeOf(options),
    wholeNumber(options.progressFd, '--progress-fd', 1),
  );
  interruption.onLeave(progress.stop);
  const context: Context = {
    out,
    signal,
    onProgress: progress.listen,
    operation: { signal, onProgress: progress.listen },
    selection: selectionOf(options),
    dryRun: options.dryRun === true,
    assumeYes: options.yes === true,
    noTrunc: options.trunc === false,
    mayInit: options.init !== false,
    requireVerity: options.requireVerity === true,
    jobs: wholeNumber(options.jobs, '--jobs', 1),
  };
  const startSeconds = process.uptime();
  try {
    const action = await load();
    return (await action(context, operands, options)) ?? 0;
  } finally {
    progress.stop();
    out.detail(`took ${(process.uptime() - startSeconds).toFixed(3)} s`);
  }
}
