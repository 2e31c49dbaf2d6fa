import { type Command, CommanderError } from 'commander';
import { UsageError } from '#base/errors';
import { leave, reportOutputErrors } from '#faces/terminal';
import { locateRepository } from '#work/repository';
import type { Verb, VerbContext } from '#work/verbs';
import { confirm } from './ask.ts';
import { type Asked, buildCommands, findCommand, prepareHelp } from './commands.ts';
import {
  type GlobalOptions,
  progressModeOf,
  refuseStrayStore,
  selectionOf,
  wholeNumber,
} from './globals.ts';
import { GRAMMARS } from './grammar/table.ts';
import { Interruption } from './interruption.ts';
import {
  createOutput,
  EXIT_FINDINGS,
  EXIT_USAGE,
  errorLine,
  type Output,
  reportError,
} from './output.ts';
import { createProgress } from './progress.ts';
import { longFlagOf, requestOf } from './request.ts';
import { TEXTS } from './text/table.ts';
import type { Text } from './text/text.ts';
import { addVarlink, isService } from './varlink.ts';

export { leave };

/**
 * Runs the command line and returns its exit status. Reports every error and never throws.
 * @param version text of `--version`; a parameter, so that the entry can answer `--version` without this module
 */
export async function runProgram(given: readonly string[], version: string): Promise<number> {
  const argv = (await isService(given)) ? ['varlink'] : given;
  using interruption = new Interruption();
  if (argv.includes('--json')) reportOutputErrors((error) => errorLine(error));
  let status = 0;
  let warnings: readonly string[] = [];
  const program = buildCommands(version, async (asked) => {
    const out = outputFor(asked.options);
    warnings = out.warnings;
    status = await runVerb(asked, interruption, out);
  });
  try {
    addVarlink(program, version, interruption);
    await prepare(program, argv);
    await program.parseAsync([...argv], { from: 'user' });
    return status;
  } catch (error) {
    const shown =
      error instanceof CommanderError ? misuseOf(error, verbIn(program, argv), argv) : error;
    if (shown === undefined) return error instanceof CommanderError ? exitOf(error) : 1;
    return reportError(shown, {
      json: argv.includes('--json'),
      verbose: argv.includes('-v') || argv.includes('--verbose'),
      interrupted: interruption.exitStatus,
      warnings,
    });
  }
}

/** Adds completion, and refuses to print the help of an unknown verb. */
async function prepare(program: Command, argv: readonly string[]): Promise<void> {
  if (argv[0] === 'completion' || argv[0] === 'complete') {
    const { addCompletion } = await import('./completion.ts');
    await addCompletion(program, argv);
    return;
  }
  describeCompletion(program);
  if (!argv.includes('--help') && !argv.includes('-h')) return;
  // Commander would print the help of the program and exit with 0.
  const words = wordsOf(argv);
  const first = program.commands.find((one) => one.name() === words[0]);
  if (words[0] !== undefined) {
    await prepareHelp(
      findCommand(program, first?.commands.length ? words.slice(0, 2) : words.slice(0, 1)),
    );
  }
}

/** The verb of a command line; undefined for an unknown one. */
function verbIn(program: Command, argv: readonly string[]): string | undefined {
  const words = wordsOf(argv);
  const first = program.commands.find((one) => one.name() === words[0]);
  const second = first?.commands.find((one) => one.name() === words[1]);
  if (first === undefined || first.name() === 'help') return undefined;
  return second === undefined ? first.name() : `${first.name()} ${second.name()}`;
}

/** Global options whose value is a word of its own. */
const OPTION_WITH_VALUE = /^--(?:repo|sysroot|progress|progress-fd|jobs)$/;

/** The words that are neither options nor values of global options. */
function wordsOf(argv: readonly string[]): string[] {
  return argv.filter(
    (word, at) => !word.startsWith('-') && !OPTION_WITH_VALUE.test(argv[at - 1] ?? ''),
  );
}

/** Commander has printed help or version itself. Help that was not requested is a usage error. */
function exitOf(error: CommanderError): number {
  return error.exitCode === 0 ? 0 : EXIT_USAGE;
}

/** What people type who know podman, docker or restic, and the verb here. */
const VERBS_OF_OTHERS: ReadonlyMap<string, string> = new Map([
  ['check', 'fsck'],
  ['du', 'df'],
  ['import', 'pull'],
  ['info', 'inspect'],
  ['list', 'images'],
  ['load', 'pull'],
  ['prune', 'gc'],
  ['ps', 'images'],
  ['remove', 'rm'],
  ['rename', 'tag'],
  ['rmi', 'rm'],
  ['save', 'export'],
  ['serve', 'varlink'],
  ['show', 'inspect'],
  ['unmount', 'umount'],
  ['version', '--version'],
  ['verify', 'fsck'],
]);

/** The usage error that commander reports; undefined when it only printed help. */
function misuseOf(
  error: CommanderError,
  verb: string | undefined,
  argv: readonly string[],
): UsageError | undefined {
  if (/^commander\.(help|version)/.test(error.code)) return undefined;
  const [first = '', ...more] = error.message.replace(/^error: /, '').split('\n');
  const unknown = /^unknown command '(.*)'$/.exec(first)?.[1] ?? '';
  // Commander reads `-name` as the options `-n` and `-ame`.
  const longFlags = (GRAMMARS[verb ?? '']?.options ?? []).map(longFlagOf);
  const oneDash = argv.find((word) => longFlags.includes(`-${word}`));
  if (oneDash !== undefined && /^unknown option '-[^-]/.test(first)) {
    const problem = `Cannot read the command line: unknown option '${oneDash}'`;
    return new UsageError(problem, `Long options have two dashes: -${oneDash}`);
  }
  const many =
    /^too many arguments for '.*'\. Expected (\d+) arguments? but got (\d+): (.*)\.$/.exec(first);
  if (many !== null) {
    return new UsageError(
      `Cannot read the command line: expected at most ${many[1]} arguments, found ${many[2]}: ${many[3]}`,
      verb === 'cp'
        ? 'Write the name and the path as one argument: app:/etc/os-release'
        : helpHint(verb),
    );
  }
  const similar = /^\(Did you mean (.+)\?\)$/.exec(more.join(' '))?.[1];
  const guess = VERBS_OF_OTHERS.get(unknown) ?? onlyLonger(first, longFlags) ?? similar;
  return new UsageError(
    `Cannot read the command line: ${first.replace(/^unknown command/, 'unknown verb').replace(/\.$/, '')}`,
    guess === undefined ? helpHint(verb) : `Did you mean ${guess}?`,
  );
}

/** The only option that begins like the unknown one. */
function onlyLonger(message: string, longFlags: readonly string[]): string | undefined {
  const flag = /^unknown option '(--[^=]{2,})[='].*$/.exec(message)?.[1];
  if (flag === undefined) return undefined;
  const longer = longFlags.filter((one) => one.startsWith(flag));
  return longer.length === 1 ? longer[0] : undefined;
}

function helpHint(verb: string | undefined): string {
  if (verb === undefined) return 'Run `onecopy help` for a list of verbs';
  return `Run \`onecopy help ${verb}\` for its arguments and options`;
}

/** The row of `completion` on the help pages; its code is loaded only if `completion` is the first word. */
function describeCompletion(program: Command): void {
  program
    .command('completion <shell>')
    .description('print a completion script for bash, zsh or fish')
    .action(() => {
      throw new UsageError(
        'Cannot print a completion script: expected completion as the first word',
      );
    });
}

function outputFor({ json, quiet, verbose }: GlobalOptions): Output {
  return createOutput({ json: json === true, quiet: quiet === true, verbose: verbose === true });
}

async function runVerb(asked: Asked, interruption: Interruption, out: Output): Promise<number> {
  const options = asked.options as GlobalOptions;
  if (options.color === false) process.env['NO_COLOR'] = '1';
  refuseStrayStore(asked.row, options);
  const progress = await createProgress(
    progressModeOf(options),
    wholeNumber(options.progressFd, '--progress-fd', 1),
  );
  interruption.onLeave(progress.stop);
  if (/pull$/.test(asked.row.name)) interruption.sayAfterwards('repeat the command to resume');
  const context: VerbContext = {
    repository: selectionOf(options),
    ...(options.sysroot === undefined ? {} : { sysroot: options.sysroot }),
    signal: interruption.signal,
    onProgress: progress.listen,
    jobs: wholeNumber(options.jobs, '--jobs', 1),
    mayInit: options.init !== false,
    requireVerity: options.requireVerity === true,
    warn: out.warn,
    detail: out.detail,
    write: out.bytes,
  };
  const startSeconds = process.uptime();
  try {
    return await answer(asked, context, { out, options, interruption });
  } catch (error) {
    progress.stop();
    return await retryInNamespace(error, out, interruption);
  } finally {
    progress.stop();
    out.detail(`took ${(process.uptime() - startSeconds).toFixed(3)} s`);
  }
}

/** Output of a run, and its options beside the request. */
interface Manner {
  readonly out: Output;
  readonly options: GlobalOptions;
  readonly interruption: Interruption;
}

/** Builds the request, runs or plans it, and prints the report. */
async function answer(asked: Asked, context: VerbContext, manner: Manner): Promise<number> {
  const { out, options, interruption } = manner;
  const spelled = requestOf(asked.grammar, asked, asked.alias);
  const verb = await asked.row.load();
  const request = verb.parse(spelled) as Readonly<Record<string, unknown>>;
  const givesContents = verb.givesContents?.(request) === true;
  if (out.json && givesContents) {
    throw new UsageError(
      'Cannot print contents of files as JSON',
      'Use --json with stat or inspect to print metadata',
    );
  }
  // From here on there may be something to clean up.
  interruption.listen();
  const isPlan = options.dryRun === true && verb.plan !== undefined;
  const question = isPlan ? undefined : asked.grammar.question?.(request, placeOf(context));
  if (question !== undefined) await confirm(context, options.yes === true, question);
  const report = isPlan ? await verb.plan?.(context, request) : await verb.run(context, request);
  // The work is done and everything is closed: a signal ends the printing at once.
  interruption[Symbol.dispose]();
  const isWanted = isPlan || !changes(verb) || verb.isQuestion?.(request) === true;
  const isSilent = givesContents || (options.quiet === true && !isWanted);
  if (out.json) out.document(report as Readonly<Record<string, unknown>>);
  else if (!isSilent) await print(asked, report, { ...manner, request });
  return verb.hasFindings?.(report, request) === true ? EXIT_FINDINGS : 0;
}

/**
 * Runs the command again in a user namespace, if it failed because files of containers-storage belong to subordinate ids of this user. A command
 * that has printed contents is not run again.
 * @throws the error, in all other cases; UnsupportedError STORE_NEEDS_NAMESPACE
 */
async function retryInNamespace(
  error: unknown,
  out: Output,
  interruption: Interruption,
): Promise<never> {
  if (out.hasGivenContents || interruption.exitStatus !== undefined) throw error;
  const words = process.argv.slice(2);
  if (!words.some((word) => word.startsWith('containers-storage:'))) throw error;
  const { findDeniedStore } = await import('#work/containers');
  const denied = await findDeniedStore(error, words);
  if (denied === undefined) throw error;
  out.note(
    `files of "${denied.path}" belong to subordinate ids of this user: trying again in a user namespace`,
  );
  interruption[Symbol.dispose]();
  return denied.continueInNamespace();
}

function placeOf({ repository }: VerbContext): string {
  return locateRepository(repository);
}

/** A verb with a plan changes something: its report is a message, not data. */
function changes(verb: Verb): boolean {
  return verb.plan !== undefined;
}

async function print(
  { row }: Asked,
  report: unknown,
  { out, options, request }: Manner & { readonly request: Readonly<Record<string, unknown>> },
): Promise<void> {
  const text = (await TEXTS[row.name]?.()) as Text<unknown> | undefined;
  await text?.(
    report,
    { ...out, noTrunc: options.trunc === false, quiet: options.quiet === true },
    request,
  );
}
