import { Command, Option } from 'commander';
import { stderr, stdout } from '#faces/terminal';
import { VERBS, type Verb, type VerbRow } from '#work/verbs';
import { GLOBAL_OPTIONS } from './globals.ts';
import type { AliasGrammar, Grammar, OptionGrammar } from './grammar/grammar.ts';
import { GRAMMARS } from './grammar/table.ts';
import type { Page } from './manual/page.ts';
import { folderPage, programPage } from './manual/program-page.ts';
import { pageText } from './manual/text.ts';
import { TOPICS } from './manual/topics.ts';
import { verbPage } from './manual/verb-page.ts';
import { type CommandLine, isRepeated } from './request.ts';

/** The verb of a command line, by its name or an alias. */
export interface Asked extends CommandLine {
  readonly row: VerbRow;
  readonly grammar: Grammar;
  readonly alias: AliasGrammar | undefined;
}

/** The first words of verbs of two words, with their help. */
export const FOLDERS: Readonly<Record<string, string>> = {
  image: 'dump, identify and create EROFS images',
  ostree: 'pull, create and export OSTree commits',
  unified: 'keep one copy of the images of a system in three stores',
};
const COLUMNS_DEFAULT = 80;

/** The help of each verb. The code of a verb holds its examples, so it is loaded before its page is drawn. */
const explained = new WeakMap<Command, Pick<Asked, 'row' | 'grammar' | 'alias'>>();
const loaded = new Map<VerbRow, Verb>();

/** The command tree: every verb of the table, with its grammar. `run` is called for the verb that a command line names. */
export function buildCommands(version: string, run: (asked: Asked) => Promise<void>): Command {
  const program = new Command('onecopy')
    .version(`onecopy ${version}`, '-V, --version')
    .helpCommand(false)
    .showSuggestionAfterError()
    .configureHelp({ formatHelp: (command) => pageText(pageOf(command), columns()) })
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      outputError: () => {},
    })
    .exitOverride();
  for (const [flags, says] of GLOBAL_OPTIONS) program.option(flags, says);
  const folders = new Map<string, Command>();
  for (const row of VERBS) {
    const grammar = GRAMMARS[row.name] ?? {};
    addVerb(parentOf(program, folders, row.name), row.name, { row, grammar, run });
  }
  for (const row of VERBS) {
    const grammar = GRAMMARS[row.name] ?? {};
    for (const alias of grammar.aliases ?? []) {
      addVerb(parentOf(program, folders, alias.name), alias.name, { row, grammar, run, alias });
    }
  }
  for (const command of [program, ...folders.values()]) addHelp(command);
  return program;
}

/** The parent command of a verb: the program, or a folder command, which the first of its verbs creates. */
function parentOf(program: Command, folders: Map<string, Command>, name: string): Command {
  const [folder = '', verb] = name.split(' ');
  if (verb === undefined) return program;
  const known = folders.get(folder);
  if (known !== undefined) return known;
  const made = program
    .command(folder)
    .description(FOLDERS[folder] ?? '')
    .helpCommand(false);
  folders.set(folder, made);
  return made;
}

/** A verb, or an alias, which the help page omits. */
interface Addition extends Pick<Asked, 'row' | 'grammar'> {
  readonly alias?: AliasGrammar;
  readonly run: (asked: Asked) => Promise<void>;
}

function addVerb(parent: Command, name: string, { row, grammar, alias, run }: Addition): void {
  const operands = (grammar.operands ?? []).map(({ usage }) => usage);
  const usage = [name.split(' ').at(-1), ...operands].join(' ');
  const command = parent.command(usage, { hidden: alias !== undefined }).description(row.summary);
  for (const option of grammar.options ?? []) command.addOption(optionFor(option));
  explained.set(command, { row, grammar, alias });
  command.action(async (...parameters: unknown[]) => {
    const self = parameters.at(-1) as Command;
    const given = parameters.slice(0, -2) as Asked['operands'];
    await run({ row, grammar, alias, operands: given, options: self.optsWithGlobals() });
  });
}

function optionFor(grammar: OptionGrammar): Option {
  const option = new Option(grammar.flags, grammar.says);
  if (!isRepeated(grammar)) return option;
  const collect = (value: string, previous: readonly string[]) => [...previous, value];
  return option.default([]).argParser(collect);
}

function addHelp(parent: Command): void {
  parent
    .command('help [verb...]')
    .description('explain a verb')
    .action(async (words: readonly string[]) => {
      const topic = TOPICS[words.join(' ')];
      if (topic !== undefined && parent.parent === null) stdout.write(pageText(topic, columns()));
      else (await prepareHelp(findCommand(parent, words))).help();
    });
}

/** Loads the code that the help of a command needs. */
export async function prepareHelp(command: Command): Promise<Command> {
  const row = explained.get(command)?.row;
  if (row !== undefined) loaded.set(row, await row.load());
  return command;
}

function pageOf(command: Command): Page {
  const subject = explained.get(command);
  const verb = subject === undefined ? undefined : loaded.get(subject.row);
  if (subject !== undefined && verb !== undefined) {
    const { row, grammar, alias } = subject;
    const page = verbPage(row, grammar, verb);
    if (alias === undefined) return page;
    const paragraphs = [`onecopy ${alias.name} is another spelling of onecopy ${row.name}.`];
    return { ...page, sections: [{ heading: 'Description', paragraphs }, ...page.sections] };
  }
  const name = command.name();
  if (command.parent === null) return programPage();
  return TOPICS[name] ?? folderPage(name, FOLDERS[name] ?? command.description());
}

function columns(): number {
  return stdout.stream.columns ?? COLUMNS_DEFAULT;
}

/** The command that the words select. @throws CommanderError for an unknown word */
export function findCommand(program: Command, words: readonly string[]): Command {
  let command = program;
  for (const word of words) {
    const next = command.commands.find((candidate) => candidate.name() === word);
    if (next === undefined) {
      command.parse([word], { from: 'user' });
      return command;
    }
    command = next;
  }
  return command;
}
